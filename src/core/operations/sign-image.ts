/** `image push --sign-key`: a signature beside an image that a registry has. */
import { EngineError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf } from '../oci/digest.ts';
import { OCI_CONFIG, OCI_MANIFEST } from '../oci/media-type.ts';
import { parseReference } from '../oci/reference.ts';
import type { OperationOptions } from '../progress.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import { contentOf } from '../registry/upload-content.ts';
import { isSignedBy } from '../trust/public-key.ts';
import {
  appendSignature,
  parseSignatureLayers,
  SIGNATURE_ANNOTATION,
  SIMPLE_SIGNING,
  signatureTagOf,
} from '../trust/signature-manifest.ts';
import {
  isEncryptedKey,
  parseSigningKey,
  type SigningKey,
  signBytes,
} from '../trust/signing-key.ts';
import { encodePayload } from '../trust/simple-signing.ts';
import type { PushedImage } from './push-image.ts';

/** Whether `openSigningKey` needs a password for this PEM text. */
export function needsPassword(pem: string): boolean {
  return isEncryptedKey(pem);
}

/**
 * The private key in a PEM text: PKCS #8, or what `cosign generate-key-pair` writes.
 *
 * @throws EngineError `USAGE_INVALID`, also for a wrong password
 */
export function openSigningKey(
  pem: string,
  label: string,
  password: string | undefined,
): SigningKey {
  return parseSigningKey(pem, label, password === undefined ? undefined : Buffer.from(password));
}

/**
 * Signs an image that was pushed, as cosign does: under the tag `sha256-<hex>.sig`, beside what others
 * signed. An image that the key has signed under this name is left as it is.
 *
 * The signature names the reference with its tag, as skopeo's do; cosign verifies it with `--key`,
 * podman with a rule `sigstoreSigned`. Two that sign one image at the same instant can undo each
 * other: registries have no lock.
 *
 * @throws EngineError those of the registry client; `IMAGE_INVALID` when something else is under the
 *   tag of the signatures
 */
export async function signImage(
  image: PushedImage,
  client: RegistryClient,
  { key, signal }: OperationOptions & { readonly key: SigningKey },
): Promise<void> {
  const { repository, manifest } = image;
  const waiting = signal === undefined ? {} : { signal };
  const payload = encodePayload(manifest.digest, identityOf(image));
  const tag = signatureTagOf(manifest.digest);
  const existing = await existingManifest(client, repository, { tag, ...waiting });
  if (existing !== undefined && isSignedAlready(existing, payload, key)) return;
  const signed = appendSignature(existing, { payload, signature: signBytes(key, payload) });
  for (const [bytes, mediaType] of [
    [payload, SIMPLE_SIGNING],
    [signed.config, OCI_CONFIG],
  ] as const) {
    const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
    await client.pushBlob(repository, descriptor, { content: contentOf(bytes), ...waiting });
  }
  const upload = { bytes: signed.manifest, mediaType: OCI_MANIFEST, ...waiting };
  await client.pushManifest(repository, tag, upload);
}

/** With the tag where there is one: podman's rules ask for it unless they say otherwise. */
function identityOf({ reference, manifest }: PushedImage): string {
  const { registry, repository, tag } = parseReference(reference);
  return `${registry}/${repository}${tag === undefined ? `@${manifest.digest}` : `:${tag}`}`;
}

async function existingManifest(
  client: RegistryClient,
  repository: string,
  { tag, ...waiting }: { readonly tag: string; readonly signal?: AbortSignal },
): Promise<Buffer | undefined> {
  try {
    return (await client.fetchManifest(repository, tag, waiting)).bytes;
  } catch (error) {
    if (error instanceof EngineError && error.code === 'REGISTRY_NOT_FOUND') return undefined;
    throw error;
  }
}

function isSignedAlready(existing: Buffer, payload: Buffer, { publicKey }: SigningKey): boolean {
  const digest = digestOf(payload);
  return parseSignatureLayers(existing, 'the manifest of the signatures').some((layer) => {
    const signature = layer.annotations?.[SIGNATURE_ANNOTATION];
    if (layer.digest !== digest || signature === undefined) return false;
    return isSignedBy(publicKey, payload, Buffer.from(signature, 'base64'));
  });
}
