/** `image gc`: everything that nobody needs. */
import { ContainerStore } from '../container/container-store.ts';
import type { OperationOptions } from '../progress.ts';
import { deleteContainer } from '../runtime/runc.ts';
import { findRunc } from '../runtime/runc-program.ts';
import { collect } from '../store/collect.ts';
import { contentInUse } from './content-in-use.ts';
import { type Engine, runtimeRoot } from './engine.ts';

/** What `collectGarbage` removed. */
export interface Collection {
  readonly removedFiles: number;
  readonly freedBytes: number;
  /** Containers whose dray was killed and that were to be removed when they ended. */
  readonly removedContainers: number;
}

/**
 * Removes images without a name, everything that no image, container or running fetch needs, what
 * killed fetches left, and the remains of containers whose dray was killed. Decided by locks, never
 * by age, so it may run at any time beside anything.
 *
 * @throws EngineError `STORE_CORRUPT`, `STORE_UNUSABLE`, `RUNTIME_FAILED`
 */
export async function collectGarbage(
  engine: Engine,
  options: OperationOptions = {},
): Promise<Collection> {
  const removedContainers = await removeDeadContainers(engine);
  const { dataDir } = engine.settings;
  const collected = await collect(engine.store, {
    inUse: () => contentInUse(dataDir),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return { ...collected, removedContainers };
}

async function removeDeadContainers(engine: Engine): Promise<number> {
  const dead = ContainerStore.sweepDead(engine.settings.dataDir);
  if (dead.length === 0) return 0;
  const runc = { runcPath: findRunc(engine.settings.runcPath), runtimeRoot: runtimeRoot(engine) };
  for (const each of dead) {
    using container = each;
    // The watch has ended it already, unless the watch was killed, too.
    await deleteContainer(runc, container.id);
    container.remove();
  }
  return dead.length;
}
