/** `volume rm` and `volume prune`. */
import { ContainerStore } from '../container/container-store.ts';
import { type VolumeUser, volumeUsers } from '../container/volume-uses.ts';
import { EngineError, quote } from '../errors.ts';
import type { OperationOptions } from '../progress.ts';
import type { VolumeRecord } from '../volume/volume-record.ts';
import { lockVolumes, VolumeStore } from '../volume/volume-store.ts';
import { removeDeadContainers } from './dead-containers.ts';
import type { Engine } from './engine.ts';
import { sweepVolumes } from './sweep-volumes.ts';

type Waiting = Pick<OperationOptions, 'signal'>;

/** An input that removed nothing. */
export interface VolumeRemovalFailure {
  readonly input: string;
  readonly error: EngineError;
}

/** What was removed, by name, and how many bytes of the disk are free now. */
export interface VolumeRemoval {
  readonly removed: readonly string[];
  readonly failures: readonly VolumeRemovalFailure[];
  readonly freedBytes: number;
}

/**
 * Removes volumes with their content. One that a container uses, whatever its phase, is a failure
 * (`VOLUME_IN_USE`), as is a name of none (`VOLUME_NOT_FOUND`, unless `force`); neither hinders the
 * others. Killed in the middle, a volume is there as a whole or not at all.
 *
 * @throws EngineError `STORE_CORRUPT`; SystemCallError
 */
export async function removeVolumes(
  engine: Engine,
  names: readonly string[],
  { force = false, ...waiting }: Waiting & { readonly force?: boolean } = {},
): Promise<VolumeRemoval> {
  const { dataDir } = engine.settings;
  await forgetDeadUsers(engine, names);
  const removed: string[] = [];
  const failures: VolumeRemovalFailure[] = [];
  {
    using _lock = await lockVolumes(dataDir, 'exclusive', waiting);
    const users = volumeUsers(dataDir);
    for (const name of new Set(names)) {
      try {
        VolumeStore.find(dataDir, name);
        requireUnused(dataDir, name, users);
        VolumeStore.discard(dataDir, name);
        removed.push(name);
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        const isWanted = force && error.code === 'VOLUME_NOT_FOUND';
        if (!isWanted) failures.push({ input: name, error });
      }
    }
  }
  return { removed, failures, freedBytes: VolumeStore.emptyTrash(dataDir) };
}

/** What `pruneVolumes` is told. */
export interface PruneOptions extends Waiting {
  /** Named ones, too. */
  readonly all: boolean;
  /** Decides about one volume that nobody uses. */
  readonly isWanted?: (volume: VolumeRecord) => boolean;
}

/**
 * Removes the volumes that no container uses: the anonymous ones, or all.
 *
 * @throws EngineError `STORE_CORRUPT`; SystemCallError
 */
export async function pruneVolumes(
  engine: Engine,
  { all, isWanted = () => true, ...waiting }: PruneOptions,
): Promise<VolumeRemoval> {
  const { dataDir } = engine.settings;
  await removeDeadContainers(engine);
  await sweepVolumes(dataDir, waiting);
  const removed: string[] = [];
  {
    using _lock = await lockVolumes(dataDir, 'exclusive', waiting);
    const users = volumeUsers(dataDir);
    for (const record of VolumeStore.list(dataDir)) {
      const isMeant = (all || record.isAnonymous) && isWanted(record);
      if (!isMeant || userOf(record.name, users) !== undefined) continue;
      VolumeStore.discard(dataDir, record.name);
      removed.push(record.name);
    }
  }
  return { removed, failures: [], freedBytes: VolumeStore.emptyTrash(dataDir) };
}

/** A user may be what is left of a run that was killed. */
async function forgetDeadUsers(engine: Engine, names: readonly string[]): Promise<void> {
  const users = volumeUsers(engine.settings.dataDir);
  if (names.some((name) => userOf(name, users) !== undefined)) await removeDeadContainers(engine);
}

function userOf(name: string, users: readonly VolumeUser[]): VolumeUser | undefined {
  return users.find(({ uses }) => uses.some(({ volume }) => volume === name));
}

function requireUnused(dataDir: string, name: string, users: readonly VolumeUser[]): void {
  const user = userOf(name, users);
  if (user === undefined) return;
  const id = user.containerId.slice(0, 12);
  const listing = ContainerStore.list(dataDir).find((one) => one.id === user.containerId);
  const called = listing?.record?.name === undefined ? '' : ` (${quote(listing.record.name)})`;
  throw new EngineError(
    'VOLUME_IN_USE',
    `the volume ${quote(name)} is in use by the container ${id}${called}`,
    { hint: `Remove that container first: dray rm ${id}` },
  );
}
