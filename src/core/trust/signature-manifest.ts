/**
 * The manifests that hold signatures in a registry, beside the image: one layer per signature.
 *
 * cosign stores the older kind under the tag `sha256-<hex>.sig` or, experimentally, as a referrer:
 * each layer is a payload, its signature is an annotation. The newer kind is a referrer whose one
 * layer is a bundle, which holds everything. Pure.
 */
import { EngineError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, type Digest, digestOf, hexOf } from '../oci/digest.ts';
import { parseDescriptor } from '../oci/image-manifest.ts';
import {
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  requireArray,
} from '../oci/json-document.ts';
import { OCI_CONFIG, OCI_MANIFEST } from '../oci/media-type.ts';

export const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
export const SIGSTORE_BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
/** The artifact type of the older kind as a referrer. */
export const COSIGN_REFERRER = 'application/vnd.dev.cosign.artifact.sig.v1+json';
export const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';

/** The most signatures of one manifest that are looked at. */
export const MAX_SIGNATURES = 128;

/** The tag under which cosign stores the signatures of a manifest. */
export function signatureTagOf(digest: Digest): string {
  return `${referrersTagOf(digest)}.sig`;
}

/** The tag that stands in for the referrers API (distribution-spec, "Referrers Tag Schema"). */
export function referrersTagOf(digest: Digest): string {
  return `${algorithmOf(digest)}-${hexOf(digest)}`;
}

/**
 * The layers of a manifest that can be signatures; others are left out.
 *
 * @throws EngineError `IMAGE_INVALID` when it is no manifest, or has more layers than are looked at;
 *   `DIGEST_INVALID`
 */
export function parseSignatureLayers(bytes: Buffer, where: string): Descriptor[] {
  const layers = requireArray(parseJsonObject(bytes, where).layers, 'layers', where);
  if (layers.length > MAX_SIGNATURES) {
    throw new EngineError(
      'IMAGE_INVALID',
      `${where} has ${layers.length} layers; at most ${MAX_SIGNATURES} signatures are looked at`,
    );
  }
  return layers
    .map((layer, at) => parseDescriptor(layer, `layers[${at}]`, where))
    .filter(({ mediaType }) => mediaType === SIMPLE_SIGNING || mediaType === SIGSTORE_BUNDLE);
}

/** A signature that is to be stored. */
export interface NewSignature {
  readonly payload: Buffer;
  readonly signature: Buffer;
}

/** A signature manifest and the config that it names. */
export interface SignatureManifest {
  readonly manifest: Buffer;
  readonly config: Buffer;
}

/**
 * The signature manifest `existing`, undefined when there is none, with one signature more. All that
 * others wrote into it is kept, but for the config, whose one purpose is to count the layers.
 *
 * @throws EngineError `IMAGE_INVALID` when `existing` is no image manifest
 */
export function appendSignature(
  existing: Buffer | undefined,
  { payload, signature }: NewSignature,
): SignatureManifest {
  const where = 'the manifest of the signatures';
  const document: JsonObject = existing === undefined ? {} : parseJsonObject(existing, where);
  const others = requireArray(document.layers ?? [], 'layers', where);
  const own = {
    mediaType: SIMPLE_SIGNING,
    size: payload.length,
    digest: digestOf(payload),
    annotations: { [SIGNATURE_ANNOTATION]: signature.toString('base64') },
  };
  const layers = [...others, own];
  const config = encodeConfig(layers);
  const manifest = {
    ...document,
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, size: config.length, digest: digestOf(config) },
    layers,
  };
  return { manifest: Buffer.from(JSON.stringify(manifest)), config };
}

/** Clients such as skopeo want as many diffIDs as there are layers. */
function encodeConfig(layers: readonly unknown[]): Buffer {
  const diffIds = layers.map((layer) => (isJsonObject(layer) ? layer.digest : undefined));
  const config = {
    architecture: '',
    config: {},
    created: '0001-01-01T00:00:00Z',
    history: layers.map(() => ({ created: '0001-01-01T00:00:00Z' })),
    os: '',
    rootfs: { type: 'layers', diff_ids: diffIds },
  };
  return Buffer.from(JSON.stringify(config));
}
