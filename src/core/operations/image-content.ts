/**
 * What one manifest of an image names, and whether it is there.
 *
 * Two manifests with one config are one image: they have one summary, which is of the manifest that
 * was assembled last. What a container needs is the same for both. Size and layer blobs are not, so
 * for the other one its manifest is read.
 */
import { EngineError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifestDocument } from '../oci/image-manifest.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import { hasBlob, readSmallBlob } from '../store/blob-store.ts';
import type { ImageRecord } from '../store/image-store.ts';
import type { ImageSummary } from '../store/image-summary.ts';
import { hasLayer } from '../store/ingest.ts';
import { hasRootfsImage } from '../store/rootfs-store.ts';
import { findSummary } from './image-state.ts';

/** What is known of an image under one of its manifests. */
export interface ImageContent {
  readonly summary: ImageSummary;
  /** Digests of the layer blobs. */
  readonly layers: readonly Digest[];
  /** Bytes of all blobs: layers, config and manifest. */
  readonly sizeBytes: number;
}

/** The content of a record's image; undefined when its summary or its manifest is missing or damaged. */
export function findContent(dataDir: string, record: ImageRecord): ImageContent | undefined {
  const summary = findSummary(dataDir, record);
  if (summary === undefined) return undefined;
  if (summary.manifest.digest === record.manifest.digest) {
    const layers = summary.layers.map(({ digest }) => digest);
    return { summary, layers, sizeBytes: summary.sizeBytes };
  }
  const own = readOwn(dataDir, record);
  return own === undefined ? undefined : { summary, ...own };
}

/**
 * Whether every file that the image needs has its name in the store. A name there means that its
 * bytes were verified when they came; `image verify` reads them again.
 */
export function isImageComplete(dataDir: string, record: ImageRecord): boolean {
  const content = findContent(dataDir, record);
  return (
    content !== undefined &&
    hasBlob(dataDir, record.manifest.digest) &&
    hasBlob(dataDir, record.imageId) &&
    hasRootfsImage(dataDir, content.summary.chainId) &&
    content.layers.every((digest) => hasBlob(dataDir, digest)) &&
    content.summary.layers.every(({ diffId }) => hasLayer(dataDir, diffId))
  );
}

function readOwn(dataDir: string, record: ImageRecord): Omit<ImageContent, 'summary'> | undefined {
  const { digest, mediaType } = record.manifest;
  try {
    const bytes = readSmallBlob(dataDir, digest, MAX_DOCUMENT_BYTES);
    const document = parseManifestDocument(bytes, mediaType, `manifest ${digest}`);
    if (document.kind !== 'manifest') return undefined;
    const { config, layers } = document.manifest;
    return {
      layers: layers.map((layer) => layer.digest),
      sizeBytes: layers.reduce((sum, { size }) => sum + size, bytes.length + config.size),
    };
  } catch (error) {
    if (error instanceof EngineError && error.code === 'STORE_CORRUPT') return undefined;
    throw error;
  }
}
