/**
 * Garbage collection and image removal.
 *
 * Both hold the gc lock alone from reading the roots to removing the rest, and read the roots in
 * the order in which they hand over to one another: leases, then containers, then references. A
 * fetch puts its reference before it ends its lease, and a run makes its container before it lets go
 * of the shared gc lock; so whatever was needed at any time is seen in at least one place.
 */
import { join } from 'node:path';
import { EngineError } from '../errors.ts';
import type { AcquireOptions } from '../host/file-lock.ts';
import type { ChainId, DiffId } from '../oci/digest.ts';
import { isDigest } from '../oci/digest.ts';
import { listBlobs, listNames } from './blob-store.ts';
import { acquireExclusive } from './gc-lock.ts';
import type { ImageStore } from './image-store.ts';
import { listSummaryIds } from './image-summary.ts';
import type { ImageRecord } from './layout-index.ts';
import { type ContentId, readLeases } from './lease.ts';
import { type ContentSet, reachable } from './reachability.ts';
import { type Collected, ContentRemover } from './remove-content.ts';
import { isDiskFull, withStoreErrors } from './store-error.ts';
import { layersDir, rootfsDir } from './store-paths.ts';

/** What collection and removal need to know besides the store. */
export interface CollectOptions extends AcquireOptions {
  /** What containers need: their image ids, chainIDs and diffIDs. Called under the gc lock. */
  readonly inUse: () => Iterable<ContentId>;
}

/** What a removal has done. */
export interface Removed extends Collected {
  readonly records: readonly ImageRecord[];
}

/**
 * Removes all that no reference, running command or container needs: images without a name, blobs,
 * layers, root file systems, summaries, and unfinished things whose writer is gone. Decided by locks,
 * never by age. Works on a full disk and with damaged images. May be killed at any point.
 *
 * @throws EngineError `STORE_CORRUPT` when a reference cannot be read (nothing is removed then),
 *   `STORE_UNUSABLE`, and the reason of `signal` while it waits for the lock
 */
export async function collect(store: ImageStore, options: CollectOptions): Promise<Collected> {
  const { dataDir } = store;
  const remover = new ContentRemover(dataDir);
  {
    using _alone = await acquireExclusive(dataDir, options);
    refuseDamagedEntries(store);
    const held = readHeld(dataDir, options);
    await dropNameless(store, held);
    const kept = reachable(dataDir, store.readReferences(), {
      held,
      manifests: store.readForeignManifests(),
    });
    withStoreErrors('collect garbage in', dataDir, () => {
      removeAllBut(dataDir, kept, remover);
    });
  }
  withStoreErrors('collect garbage in', dataDir, () => {
    remover.emptyTrash();
    remover.sweepIngest();
  });
  return remover.collected;
}

/**
 * Removes the images whose records `isDoomed` chooses: their records, and of their files those that
 * nothing else needs; only the records while a damaged entry is there, of which nobody knows what it
 * needs. Does not look at the rest of the store, so it takes milliseconds. A file that
 * a container has mounted keeps its bytes until the container ends. Works on a full disk.
 *
 * @throws EngineError as `collect`
 */
export async function removeImages(
  store: ImageStore,
  isDoomed: (record: ImageRecord) => boolean,
  options: CollectOptions,
): Promise<Removed> {
  const { dataDir } = store;
  const remover = new ContentRemover(dataDir);
  let records: readonly ImageRecord[];
  {
    using _alone = await acquireExclusive(dataDir, options);
    const held = readHeld(dataDir, options);
    const all = store.readReferences();
    records = all.filter(isDoomed);
    const kept = reachable(
      dataDir,
      all.filter((record) => !isDoomed(record)),
      {
        held,
        manifests: store.readForeignManifests(),
      },
    );
    const isSafe = store.readDamagedEntries().length === 0;
    const spare = isSafe ? without(reachable(dataDir, records), kept) : NOTHING;
    await dropRecords(store, records, () => {
      removeDerived(spare, remover);
      remover.emptyTrash();
    });
    withStoreErrors('remove files from', dataDir, () => {
      removeDerived(spare, remover);
      for (const digest of spare.blobs) remover.removeBlob(digest);
    });
  }
  withStoreErrors('remove files from', dataDir, () => remover.emptyTrash());
  return { records, ...remover.collected };
}

const NOTHING: ContentSet = {
  blobs: new Set(),
  layers: new Set(),
  rootfs: new Set(),
  summaries: new Set(),
};

function refuseDamagedEntries(store: ImageStore): void {
  const [damaged] = store.readDamagedEntries();
  if (damaged === undefined) return;
  const { reference, problem } = damaged;
  throw new EngineError('STORE_CORRUPT', `${problem}; what it needs cannot be told from garbage`, {
    hint:
      reference === undefined
        ? 'Mend that entry or take it out of index.json.'
        : `Run "dray fetch ${reference}" to mend it, or "dray image rm ${reference}" to remove it.`,
  });
}

function readHeld(dataDir: string, { inUse }: CollectOptions): Set<ContentId> {
  const held = readLeases(dataDir);
  for (const id of inUse()) held.add(id);
  return held;
}

async function dropNameless(store: ImageStore, held: ReadonlySet<ContentId>): Promise<void> {
  try {
    await store.updateReferences((records) => {
      const kept = records.filter(({ reference, imageId }) => reference ?? held.has(imageId));
      return kept.length === records.length ? records : kept;
    });
  } catch (error) {
    // Without room for a new index the nameless images stay for this time, and the rest is removed.
    if (!isDiskFull(error)) throw error;
  }
}

/**
 * References go before files. Only on a full disk, where there is no room for the new index, what
 * can be made again goes first: an image that has lost it is still whole.
 */
async function dropRecords(
  store: ImageStore,
  doomed: readonly ImageRecord[],
  makeRoom: () => void,
): Promise<void> {
  if (doomed.length === 0) return;
  const isListed = (record: ImageRecord): boolean =>
    doomed.some(
      (each) =>
        each.reference === record.reference && each.manifest.digest === record.manifest.digest,
    );
  const drop = (): Promise<void> =>
    store.updateReferences((records) => records.filter((record) => !isListed(record)));
  try {
    await drop();
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    withStoreErrors('remove files from', store.dataDir, makeRoom);
    await drop();
  }
}

function without(all: ContentSet, kept: ContentSet): ContentSet {
  return {
    blobs: difference(all.blobs, kept.blobs),
    layers: difference(all.layers, kept.layers),
    rootfs: difference(all.rootfs, kept.rootfs),
    summaries: difference(all.summaries, kept.summaries),
  };
}

function difference<T>(all: ReadonlySet<T>, kept: ReadonlySet<T>): Set<T> {
  return new Set([...all].filter((each) => !kept.has(each)));
}

function removeDerived({ summaries, rootfs, layers }: ContentSet, remover: ContentRemover): void {
  for (const imageId of summaries) remover.removeSummary(imageId);
  for (const chainId of rootfs) remover.removeRootfs(chainId);
  for (const diffId of layers) remover.removeLayer(diffId);
}

function removeAllBut(dataDir: string, kept: ContentSet, remover: ContentRemover): void {
  const present: ContentSet = {
    blobs: new Set(listBlobs(dataDir)),
    layers: new Set(listDerived<DiffId>(layersDir(dataDir))),
    rootfs: new Set(listDerived<ChainId>(rootfsDir(dataDir))),
    summaries: new Set(listSummaryIds(dataDir)),
  };
  const spare = without(present, kept);
  removeDerived(spare, remover);
  for (const digest of spare.blobs) remover.removeBlob(digest);
}

/** The ids in the names of a directory of derived files, such as `sha256/<hex>.data`. */
function listDerived<T extends DiffId | ChainId>(directory: string): T[] {
  return listNames(directory).flatMap((algorithm) =>
    listNames(join(directory, algorithm)).flatMap((name) => {
      const id = `${algorithm}:${name.split('.')[0]}`;
      return isDigest(id) ? (id as string as T) : [];
    }),
  );
}
