/** Which image `run` runs: found in the store, or fetched first. */
import { EngineError } from '../errors.ts';
import { parseImageSource } from '../oci/image-source.ts';
import type { Platform } from '../oci/platform.ts';
import type { PullPolicy } from '../oci/pull-policy.ts';
import { formatReference } from '../oci/reference.ts';
import type { ImageRecord } from '../store/image-store.ts';
import type { ImageSummary } from '../store/image-summary.ts';
import { readSummary } from '../store/image-summary.ts';
import { resolveImage } from '../store/resolve.ts';
import type { Engine } from './engine.ts';
import { isForPlatform } from './image-state.ts';
import { requireTrusted } from './trust-gate.ts';
import type { TrustOptions } from './trust-options.ts';

/** What decides which image is run. */
export interface ImageRequest extends TrustOptions {
  /** A reference, an image id or a prefix of one, or a source such as `oci:DIR`. */
  readonly image: string;
  readonly pullPolicy: PullPolicy;
  readonly platform?: Platform;
}

/** An image that is in the store and can be run. */
export interface RunnableImage {
  readonly summary: ImageSummary;
  readonly reference: string | undefined;
}

/**
 * Finds the image in the store, with one look at `index.json` and one at the summary; fetches it
 * when it is missing there and the pull policy allows it.
 *
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_AMBIGUOUS`, `TRUST_REFUSED`, and those of `fetchImage`
 */
export async function imageForRun(engine: Engine, request: ImageRequest): Promise<RunnableImage> {
  if (request.pullPolicy !== 'update' || isImageId(request.image)) {
    const stored = await findStored(engine, request);
    if (stored !== undefined) return stored;
  }
  // Loaded only now: a run whose image is here needs none of it.
  const { fetchImage } = await import('./fetch-image.ts');
  const fetched = await fetchImage(engine, request.image, request);
  return {
    summary: readSummary(engine.settings.dataDir, fetched.imageId),
    reference: fetched.reference,
  };
}

async function findStored(
  engine: Engine,
  request: ImageRequest,
): Promise<RunnableImage | undefined> {
  const { dataDir } = engine.settings;
  const records = findRecords(engine.store.readReferences(), request);
  const [record] = records;
  if (record === undefined) return undefined;
  if (request.platform !== undefined && !isForPlatform(record, request.platform)) return undefined;
  await requireTrusted(engine, records, { ...request, mayAsk: request.pullPolicy !== 'never' });
  const { imageId, reference } = record;
  try {
    return { summary: readSummary(dataDir, imageId), reference };
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  try {
    const { restoreImage } = await import('./restore-image.ts');
    await restoreImage(dataDir, record, request);
    return { summary: readSummary(dataDir, imageId), reference };
  } catch (error) {
    // A blob is gone, too: a fetch transfers what is not here.
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'STORE_CORRUPT';
}

/** The names of the image that is meant: one, or all when it is named by its id. */
function findRecords(
  records: readonly ImageRecord[],
  { image }: ImageRequest,
): readonly ImageRecord[] {
  if (!isImageId(image)) {
    const source = parseImageSource(image);
    if (source.kind !== 'registry') return [];
    const name = formatReference(source.reference);
    const named = records.find(({ reference }) => reference === name);
    if (named !== undefined) return [named];
  }
  try {
    return resolveImage(records, image);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'IMAGE_NOT_FOUND' && !isImageId(image)) {
      return [];
    }
    throw error;
  }
}

/** `sha256-…` and `sha256:…` name an image of this store and nothing that could be fetched. */
function isImageId(text: string): boolean {
  return /^sha256[-:]/.test(text);
}
