/**
 * Builds images for tests: the exact bytes of every blob with their digests. Pure, no files.
 */
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { Descriptor } from '../../src/core/oci/descriptor.ts';
import { type DiffId, type Digest, digestOf, parseDiffId } from '../../src/core/oci/digest.ts';
import {
  type Compression,
  DOCKER_CONFIG,
  DOCKER_INDEX,
  DOCKER_LAYER,
  DOCKER_LAYER_GZIP,
  DOCKER_LAYER_ZSTD,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
  OCI_MANIFEST,
} from '../../src/core/oci/media-type.ts';
import type { Platform } from '../../src/core/oci/platform.ts';

export type MediaTypes = 'oci' | 'docker';

export interface ImageRecipe {
  /** Uncompressed tars, lowest first. */
  readonly layers?: readonly Buffer[];
  readonly compression?: Compression;
  readonly mediaTypes?: MediaTypes;
  readonly platform?: Platform;
  /** Becomes the `config` property of the image config. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Replaces or adds top-level fields of the image config. */
  readonly configFields?: Readonly<Record<string, unknown>>;
  /** Replaces or adds top-level fields of the manifest. */
  readonly manifestFields?: Readonly<Record<string, unknown>>;
}

/** Bytes with the descriptor that points to them. */
export interface BuiltBlob {
  readonly bytes: Buffer;
  readonly descriptor: Descriptor;
}

export interface BuiltImage {
  readonly manifest: BuiltBlob;
  readonly config: BuiltBlob;
  readonly layers: readonly BuiltBlob[];
  readonly diffIds: readonly DiffId[];
  readonly imageId: Digest;
  readonly platform: Platform;
  /** Every blob by digest, the manifest too. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

export interface BuiltIndex {
  readonly index: BuiltBlob;
  readonly images: readonly BuiltImage[];
}

const TYPES = {
  oci: {
    index: OCI_INDEX,
    manifest: OCI_MANIFEST,
    config: OCI_CONFIG,
    layer: { none: OCI_LAYER, gzip: OCI_LAYER_GZIP, zstd: OCI_LAYER_ZSTD },
  },
  docker: {
    index: DOCKER_INDEX,
    manifest: DOCKER_MANIFEST,
    config: DOCKER_CONFIG,
    layer: { none: DOCKER_LAYER, gzip: DOCKER_LAYER_GZIP, zstd: DOCKER_LAYER_ZSTD },
  },
} as const;

/** Builds one image; deterministic. */
export function buildImage(recipe: ImageRecipe = {}): BuiltImage {
  const tars = recipe.layers ?? [];
  const types = TYPES[recipe.mediaTypes ?? 'oci'];
  const platform = recipe.platform ?? { os: 'linux', architecture: 'amd64' };
  const compression = recipe.compression ?? 'gzip';
  const layers = tars.map((tar) => blobOf(compress(tar, compression), types.layer[compression]));
  const diffIds = tars.map((tar) => parseDiffId(digestOf(tar), 'test layer'));
  const config = blobOf(
    jsonBytes({
      ...platform,
      config: recipe.config ?? {},
      rootfs: { type: 'layers', diff_ids: diffIds },
      ...recipe.configFields,
    }),
    types.config,
  );
  const manifest = blobOf(
    jsonBytes({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: config.descriptor,
      layers: layers.map((layer) => layer.descriptor),
      ...recipe.manifestFields,
    }),
    types.manifest,
  );
  const all = [manifest, config, ...layers];
  return {
    manifest,
    config,
    layers,
    diffIds,
    imageId: config.descriptor.digest,
    platform,
    blobs: new Map(all.map((blob) => [blob.descriptor.digest, blob.bytes])),
  };
}

/** Builds an index over images; `extra` descriptors come after them, as they are. */
export function buildIndex(
  images: readonly BuiltImage[],
  options: { mediaTypes?: MediaTypes; extra?: readonly unknown[] } = {},
): BuiltIndex {
  const mediaType = TYPES[options.mediaTypes ?? 'oci'].index;
  const manifests = images.map((image) => ({
    ...image.manifest.descriptor,
    platform: image.platform,
  }));
  const bytes = jsonBytes({
    schemaVersion: 2,
    mediaType,
    manifests: [...manifests, ...(options.extra ?? [])],
  });
  return { index: blobOf(bytes, mediaType), images };
}

/** Bytes with a descriptor. */
export function blobOf(bytes: Buffer, mediaType: string): BuiltBlob {
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } };
}

export function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function compress(tar: Buffer, compression: Compression): Buffer {
  if (compression === 'gzip') return gzipSync(tar, { level: 1 });
  return compression === 'zstd' ? zstdCompressSync(tar) : tar;
}
