/** `image rm`: take names away, and what nothing else needs off the disk. */
import { EngineError } from '../errors.ts';
import type { ImageId } from '../oci/digest.ts';
import { acquireExclusive } from '../store/gc-lock.ts';
import type { ImageRecord } from '../store/image-store.ts';
import { resolveImage } from '../store/resolve.ts';
import { sweep } from './collect-garbage.ts';
import type { Engine } from './engine.ts';

/** One image that lost a name, or all of it. */
export interface RemovedImage {
  readonly imageId: ImageId;
  /** The names it lost. */
  readonly references: readonly string[];
  /** Whether it has other names and so is still there. */
  readonly isStillNamed: boolean;
}

/** An input that removed nothing. */
export interface RemovalFailure {
  readonly input: string;
  readonly error: EngineError;
}

/** What `removeImages` did. */
export interface Removal {
  readonly removed: readonly RemovedImage[];
  readonly failures: readonly RemovalFailure[];
}

/**
 * Removes images by reference, id or unique id prefix, in any mix; an image named twice is removed
 * once. A reference takes that name away and leaves the image while it has others; an id takes all
 * names. What nothing else needs is unlinked before this returns; a container that runs from it
 * goes on, since the kernel holds its files.
 *
 * @returns what was removed, and the inputs that named nothing; these do not hinder the others.
 */
export async function removeImages(engine: Engine, inputs: readonly string[]): Promise<Removal> {
  using _lock = await acquireExclusive(engine.settings.dataDir);
  const records = engine.store.readReferences();
  const doomed = new Set<ImageRecord>();
  const failures: RemovalFailure[] = [];
  for (const input of inputs) {
    try {
      for (const record of resolveImage(records, input)) doomed.add(record);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      failures.push({ input, error });
    }
  }
  if (doomed.size > 0) {
    await engine.store.updateReferences((current) =>
      current.filter((record) => !isAmong(record, doomed)),
    );
    sweep(engine);
  }
  return { removed: groupByImage(doomed, records), failures };
}

function isAmong(record: ImageRecord, doomed: ReadonlySet<ImageRecord>): boolean {
  for (const { reference, imageId, manifest } of doomed) {
    const isSame = record.imageId === imageId && record.manifest.digest === manifest.digest;
    if (isSame && record.reference === reference) return true;
  }
  return false;
}

function groupByImage(
  doomed: ReadonlySet<ImageRecord>,
  records: readonly ImageRecord[],
): RemovedImage[] {
  const imageIds = new Set([...doomed].map(({ imageId }) => imageId));
  return [...imageIds].map((imageId) => ({
    imageId,
    references: [...doomed].flatMap((record) =>
      record.imageId === imageId && record.reference !== undefined ? [record.reference] : [],
    ),
    isStillNamed: records.some((record) => record.imageId === imageId && !doomed.has(record)),
  }));
}
