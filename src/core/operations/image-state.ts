/** What the store holds of an image. */
import { EngineError } from '../errors.ts';
import { type Platform, runsOn } from '../oci/platform.ts';
import type { ImageRecord } from '../store/image-store.ts';
import { type ImageSummary, listSummaries, readSummary } from '../store/image-summary.ts';
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
