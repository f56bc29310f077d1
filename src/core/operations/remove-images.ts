/** `image rm`: take names away, and what nothing else needs off the disk. */
import { EngineError } from '../errors.ts';
import type { ImageId } from '../oci/digest.ts';
import { removeImages as removeFromStore } from '../store/collect.ts';
import type { DamagedEntry } from '../store/image-store.ts';
import type { ImageRecord } from '../store/layout-index.ts';
import { findDamagedEntry, resolveImage } from '../store/resolve.ts';
import { contentBeyondRemoval } from './content-in-use.ts';
import type { Engine } from './engine.ts';

/** One image that lost names, or all of it. */
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
  /** Names of which the entry was damaged; the next collection removes what they needed. */
  readonly damagedNames: readonly string[];
}

/**
 * Removes images by reference, id or unique id prefix, in any mix; an image meant twice is removed
 * once. A reference takes that name away and leaves the image while it has others; an id takes all
 * names. What nothing else needs is unlinked before this returns; a container that runs from it
 * goes on, since the kernel holds its files.
 *
 * @returns what was removed, and the inputs that named nothing; these do not hinder the others.
 * @throws EngineError `STORE_CORRUPT`, `STORE_UNUSABLE`
 */
export async function removeImages(engine: Engine, inputs: readonly string[]): Promise<Removal> {
  const { dataDir } = engine.settings;
  const damaged: DamagedEntry[] = [];
  const before = engine.store.readReferences((entry) => damaged.push(entry));
  const damagedNames = new Set(
    inputs.flatMap((input) => findDamagedEntry(damaged, input)?.reference ?? []),
  );
  for (const name of damagedNames) await engine.store.removeReference(name);
  const sound = inputs.filter((input) => findDamagedEntry(damaged, input) === undefined);
  const { chosen, failures } = choose(before, sound);
  if (chosen.length === 0) return { removed: [], failures, damagedNames: [...damagedNames] };
  const { records } = await removeFromStore(
    engine.store,
    (record) => chosen.some((each) => isSame(each, record)),
    { inUse: () => contentBeyondRemoval(dataDir) },
  );
  const removed = groupByImage(records, engine.store.readReferences());
  return { removed, failures, damagedNames: [...damagedNames] };
}

function choose(records: readonly ImageRecord[], inputs: readonly string[]) {
  const chosen: ImageRecord[] = [];
  const failures: RemovalFailure[] = [];
  for (const input of inputs) {
    try {
      chosen.push(...resolveImage(records, input));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      failures.push({ input, error });
    }
  }
  return { chosen, failures };
}

function isSame(a: ImageRecord, b: ImageRecord): boolean {
  return a.reference === b.reference && a.manifest.digest === b.manifest.digest;
}

function groupByImage(
  removed: readonly ImageRecord[],
  left: readonly ImageRecord[],
): RemovedImage[] {
  const imageIds = new Set(removed.map(({ imageId }) => imageId));
  return [...imageIds].map((imageId) => ({
    imageId,
    references: removed.flatMap((record) =>
      record.imageId === imageId && record.reference !== undefined ? [record.reference] : [],
    ),
    isStillNamed: left.some((record) => record.imageId === imageId),
  }));
}
