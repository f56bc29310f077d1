/** Keys, signatures and policies for tests of signature policies. */
import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  scryptSync,
} from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import type { Digest } from '../../src/core/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/core/oci/media-type.ts';
import {
  appendSignature,
  referrersTagOf,
  SIGSTORE_BUNDLE,
  signatureTagOf,
} from '../../src/core/trust/signature-manifest.ts';
import { parseSigningKey, type SigningKey, signBytes } from '../../src/core/trust/signing-key.ts';
import { encodePayload } from '../../src/core/trust/simple-signing.ts';
import type { TestRegistry } from './test-registry.ts';

/** A key pair as dray reads it: PEM texts. */
export interface TestKey {
  readonly publicPem: string;
  readonly privatePem: string;
  readonly signing: SigningKey;
}

export type KeyKind = 'P-256' | 'P-384' | 'P-521' | 'ed25519' | 'rsa';

/** A new key pair. */
export function testKey(kind: KeyKind = 'P-256'): TestKey {
  const { privateKey, publicKey } =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: kind });
  const privatePem = pemOf(privateKey);
  return {
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privatePem,
    signing: parseSigningKey(privatePem, 'test key', undefined),
  };
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** A private key as `cosign generate-key-pair` writes it, with a cheaper scrypt. */
export function encryptKey(
  privatePem: string,
  password: string,
  label = 'ENCRYPTED SIGSTORE PRIVATE KEY',
): string {
  const salt = randomBytes(32);
  const nonce = randomBytes(24);
  const params = { N: 1024, r: 8, p: 1 };
  const key = scryptSync(password, salt, 32, params);
  const pkcs8 = createPrivateKey(privatePem).export({ type: 'pkcs8', format: 'der' });
  const box = {
    kdf: { name: 'scrypt', params, salt: salt.toString('base64') },
    cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64') },
    ciphertext: Buffer.from(xsalsa20poly1305(key, nonce).encrypt(pkcs8)).toString('base64'),
  };
  return pem(label, Buffer.from(JSON.stringify(box)));
}

/** A PEM block. */
export function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** What a test signature is of. */
export interface Signed {
  readonly repository: string;
  readonly digest: Digest;
  /** The name in the payload. */
  readonly identity: string;
}

/** Puts signatures by `keys`, and no others, beside an image, under the tag that cosign uses. */
export function addSignatures(
  registry: TestRegistry,
  keys: readonly TestKey[],
  { repository, digest, identity }: Signed,
): void {
  const payload = encodePayload(digest, identity);
  registry.addBlob(payload);
  let manifest: Buffer | undefined;
  for (const { signing } of keys) {
    const signed = appendSignature(manifest, { payload, signature: signBytes(signing, payload) });
    registry.addBlob(signed.config);
    manifest = signed.manifest;
  }
  if (manifest === undefined) return;
  registry.addManifest(repository, manifest, {
    mediaType: OCI_MANIFEST,
    tag: signatureTagOf(digest),
  });
}

/** Puts a payload and whatever is said to be its signature beside an image. */
export function addRawSignature(
  registry: TestRegistry,
  { repository, digest }: Pick<Signed, 'repository' | 'digest'>,
  raw: { readonly payload: Buffer; readonly signature: Buffer },
): void {
  const { manifest, config } = appendSignature(undefined, raw);
  registry.addBlob(raw.payload);
  registry.addBlob(config);
  registry.addManifest(repository, manifest, {
    mediaType: OCI_MANIFEST,
    tag: signatureTagOf(digest),
  });
}

/** A bundle with an envelope, as cosign 3 writes it with a key. */
export function bundleOf(
  key: TestKey,
  digest: Digest,
  fields: { readonly statement?: object; readonly bundle?: object } = {},
): Buffer {
  const [algorithm = '', hex = ''] = digest.split(':');
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { [algorithm]: hex } }],
    predicateType: 'https://sigstore.dev/cosign/sign/v1',
    predicate: {},
    ...fields.statement,
  };
  const payload = Buffer.from(JSON.stringify(statement));
  const type = 'application/vnd.in-toto+json';
  const signedBytes = Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `),
    payload,
  ]);
  return Buffer.from(
    JSON.stringify({
      mediaType: SIGSTORE_BUNDLE,
      verificationMaterial: { publicKey: { hint: 'aGludA==' }, tlogEntries: [] },
      dsseEnvelope: {
        payload: payload.toString('base64'),
        payloadType: type,
        signatures: [{ sig: signBytes(key.signing, signedBytes).toString('base64') }],
      },
      ...fields.bundle,
    }),
  );
}

/**
 * Puts a bundle beside an image as a referrer, listed under the tag that stands in for the API.
 *
 * @returns the list.
 */
export function addBundle(
  registry: TestRegistry,
  { repository, digest }: Pick<Signed, 'repository' | 'digest'>,
  bundle: Buffer,
): Buffer {
  const blob = (bytes: Buffer, mediaType: string) => ({
    mediaType,
    digest: registry.addBlob(bytes),
    size: bytes.length,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: SIGSTORE_BUNDLE,
    config: blob(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json'),
    layers: [blob(bundle, SIGSTORE_BUNDLE)],
    subject: { mediaType: OCI_MANIFEST, digest, size: 1 },
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const descriptor = registry.addManifest(repository, bytes, { mediaType: OCI_MANIFEST });
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [{ ...descriptor, artifactType: SIGSTORE_BUNDLE }],
  };
  const list = Buffer.from(JSON.stringify(index));
  registry.addManifest(repository, list, { mediaType: OCI_INDEX, tag: referrersTagOf(digest) });
  return list;
}
