/** What the store holds of an image. */
import { EngineError } from '../errors.ts';
import { type Platform, runsOn } from '../oci/platform.ts';
import { hasBlob } from '../store/blob-store.ts';
import type { ImageRecord } from '../store/image-store.ts';
import { type ImageSummary, listSummaries, readSummary } from '../store/image-summary.ts';
import { hasLayer } from '../store/ingest.ts';
import { hasRootfsImage } from '../store/rootfs-store.ts';
import type { WantedLayer } from './fetch-layer.ts';

/**
 * The summary of an image; undefined when it is missing or damaged, since it can be made again.
 */
export function findSummary(dataDir: string, record: ImageRecord): ImageSummary | undefined {
  try {
    return readSummary(dataDir, record.imageId);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'STORE_CORRUPT') return undefined;
    throw error;
  }
}

/**
 * Whether every file that the image needs has its name in the store. A name there means that its
 * bytes were verified when they came; `image verify` reads them again.
 */
export function isImageComplete(dataDir: string, record: ImageRecord): boolean {
  const summary = findSummary(dataDir, record);
  return summary !== undefined && isOf(summary, record) && hasFiles(dataDir, record, summary);
}

/**
 * Whether a file that the image needs is missing. Two manifests with one config are one image, whose
 * summary is of one of them; the image of the other is not damaged by that, so its layer blobs,
 * which only its manifest names, are left to `image verify`.
 */
export function isImageDamaged(dataDir: string, record: ImageRecord): boolean {
  const summary = findSummary(dataDir, record);
  return summary === undefined || !hasFiles(dataDir, record, summary);
}

function isOf(summary: ImageSummary, record: ImageRecord): boolean {
  return summary.manifest.digest === record.manifest.digest;
}

function hasFiles(dataDir: string, record: ImageRecord, summary: ImageSummary): boolean {
  const areBlobsKnown = isOf(summary, record);
  return (
    hasBlob(dataDir, record.manifest.digest) &&
    hasBlob(dataDir, record.imageId) &&
    hasRootfsImage(dataDir, summary.chainId) &&
    summary.layers.every(
      (layer) =>
        (!areBlobsKnown || hasBlob(dataDir, layer.digest)) && hasLayer(dataDir, layer.diffId),
    )
  );
}

/**
 * A predicate that knows which blobs dray itself has seen inflate to which diffIDs: those of the
 * images it has assembled. The summaries are read when the first question is asked.
 */
export function verifiedPairs(dataDir: string): (layer: WantedLayer) => boolean {
  let pairs: Set<string> | undefined;
  return ({ descriptor, diffId }) => {
    pairs ??= new Set(
      listSummaries(dataDir).flatMap((summary) =>
        summary.layers.map((layer) => `${layer.digest} ${layer.diffId}`),
      ),
    );
    return pairs.has(`${descriptor.digest} ${diffId}`);
  };
}

/** Whether the image was built for a platform that serves for `wanted`. */
export function isForPlatform({ platform }: ImageRecord, wanted: Platform): boolean {
  return platform !== undefined && runsOn(platform, wanted);
}
