/** Which images an image is the beginning of: `list --filter ancestor=`. */
import { EngineError } from '../errors.ts';
import type { ImageId } from '../oci/digest.ts';
import { listSummaries, readSummary } from '../store/image-summary.ts';
import { resolveImage } from '../store/resolve.ts';
import type { Engine } from './engine.ts';

/**
 * The ids of the image that `input` means and of those that have its layers below their own; none
 * when no image of the store is meant.
 */
export function imageDescendants(engine: Engine, input: string): ReadonlySet<ImageId> {
  const { dataDir } = engine.settings;
  try {
    const [{ imageId }] = resolveImage(engine.store.readReferences(), input);
    const own = readSummary(dataDir, imageId).layers;
    const others = listSummaries(dataDir).filter(
      ({ layers }) =>
        own.length > 0 && own.every(({ diffId }, at) => layers[at]?.diffId === diffId),
    );
    return new Set([imageId, ...others.map((summary) => summary.imageId)]);
  } catch (error) {
    const isUnknown =
      error instanceof EngineError &&
      ['IMAGE_NOT_FOUND', 'IMAGE_AMBIGUOUS', 'STORE_CORRUPT'].includes(error.code);
    if (isUnknown) return new Set();
    throw error;
  }
}
