/** `gc`: containers that ended a while ago. */
import type { ContainerListing } from '../container/container-directory.ts';
import { ContainerStore } from '../container/container-store.ts';
import { removeDeadContainers } from './dead-containers.ts';
import type { Engine } from './engine.ts';
import { removeContainers } from './remove-containers.ts';

/** How long containers stay. */
export interface GraceOptions {
  /** After their end. */
  readonly gracePeriodMs: number;
  /** After they were made, when they were never started. */
  readonly expirePreparedMs: number;
}

/**
 * Finishes what dead containers have left, and removes those whose time is up; returns the ids. Only
 * a container whose lock is free goes, whatever the clock says; one whose end lies in the future, as
 * after a clock was set back, stays.
 *
 * @throws EngineError `RUNTIME_FAILED`; SystemCallError
 */
export async function collectContainers(engine: Engine, options: GraceOptions): Promise<string[]> {
  await removeDeadContainers(engine);
  const now = Date.now();
  const expired = ContainerStore.list(engine.settings.dataDir).filter((listing) =>
    isExpired(listing, now, options),
  );
  const ids = expired.map(({ id }) => id);
  // One that was started or removed meanwhile is left alone.
  const { removed } = await removeContainers(engine, ids);
  return [...removed];
}

function isExpired(
  { phase, record, exit }: ContainerListing,
  now: number,
  { gracePeriodMs, expirePreparedMs }: GraceOptions,
): boolean {
  if (phase === 'exited' && exit !== undefined) {
    return isPast(exit.finishedAt.getTime(), now - gracePeriodMs);
  }
  if (phase !== 'created' || record === undefined) return false;
  return isPast(Date.parse(record.createdAt), now - expirePreparedMs);
}

/** False for a time that is none. */
function isPast(time: number, limit: number): boolean {
  return time <= limit;
}
