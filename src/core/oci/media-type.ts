/** Media types of images: image-spec `media-types.md` and Docker's image manifest version 2, schema 2. */
import { EngineError, quote } from '../errors.ts';

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';
export const OCI_LAYER_GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
export const OCI_LAYER_ZSTD = 'application/vnd.oci.image.layer.v1.tar+zstd';
export const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
export const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar';
export const DOCKER_LAYER_GZIP = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
export const DOCKER_LAYER_ZSTD = 'application/vnd.docker.image.rootfs.diff.tar.zstd';

/** How a layer is compressed. */
export type Compression = 'gzip' | 'zstd' | 'none';

/** What a manifest request accepts, best first: an index says more than one manifest. */
export const ACCEPTED_MANIFESTS: readonly string[] = [
  OCI_INDEX,
  OCI_MANIFEST,
  DOCKER_INDEX,
  DOCKER_MANIFEST,
];

const COMPRESSION_OF: ReadonlyMap<string, Compression> = new Map([
  [OCI_LAYER, 'none'],
  [OCI_LAYER_GZIP, 'gzip'],
  [OCI_LAYER_ZSTD, 'zstd'],
  [DOCKER_LAYER, 'none'],
  [DOCKER_LAYER_GZIP, 'gzip'],
  [DOCKER_LAYER_ZSTD, 'zstd'],
]);

// Quay and others once stored Docker's image configs as octet-stream; Docker runs those.
const CONFIGS: readonly string[] = [OCI_CONFIG, DOCKER_CONFIG, 'application/octet-stream'];

/** Whether this is an image index or Docker's manifest list. */
export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_INDEX;
}

/** Whether this is the manifest of one image. */
export function isManifestMediaType(mediaType: string): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;
}

/** Whether a config of this media type can describe something that runs. */
export function isImageConfigMediaType(mediaType: string): boolean {
  return CONFIGS.includes(mediaType);
}

/** Whether this is one of Docker's schema 1 manifests, which no digest protects. */
export function isSchema1MediaType(mediaType: string): boolean {
  return mediaType.startsWith('application/vnd.docker.distribution.manifest.v1+');
}

/** A media type as a header has it, without parameters and in lower case (RFC 9110, 8.3.1). */
export function bareMediaType(contentType: string): string {
  const semicolon = contentType.indexOf(';');
  return (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
}

/**
 * The compression that a layer's media type claims.
 *
 * @param where names the layer for the error.
 * @throws EngineError `MEDIA_TYPE_UNSUPPORTED`; layers that are not in the registry but at a URL
 * elsewhere ("nondistributable", "foreign") are refused, their URLs are never visited.
 */
export function layerCompression(mediaType: string, where = 'layer'): Compression {
  const compression = COMPRESSION_OF.get(mediaType);
  if (compression !== undefined) return compression;
  const isForeign = mediaType.includes('nondistributable') || mediaType.includes('.foreign.');
  const why = isForeign
    ? 'its content lies outside of the registry, where dray does not fetch from'
    : 'expected a tar layer, plain or compressed with gzip or zstd';
  throw new EngineError(
    'MEDIA_TYPE_UNSUPPORTED',
    `${where} has the media type ${quote(mediaType)}: ${why}`,
  );
}
