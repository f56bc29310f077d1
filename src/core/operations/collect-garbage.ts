/** `image gc`: everything that nobody needs. */
import type { OperationOptions } from '../progress.ts';
import { collect } from '../store/collect.ts';
import { contentInUse } from './content-in-use.ts';
import { removeDeadContainers } from './dead-containers.ts';
import type { Engine } from './engine.ts';
import { sweepVolumes } from './sweep-volumes.ts';

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
  await sweepVolumes(dataDir, waitingFor(options));
  const collected = await collect(engine.store, {
    inUse: () => contentInUse(dataDir),
    ...waitingFor(options),
  });
  return { ...collected, removedContainers };
}

function waitingFor({ signal }: OperationOptions) {
  return signal === undefined ? {} : { signal };
}
