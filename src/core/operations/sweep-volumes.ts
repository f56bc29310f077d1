/** Volumes that were made for a container which is gone. */
import { existsSync } from 'node:fs';
import { isContainerId } from '../container/container-id.ts';
import { containerDir } from '../container/container-paths.ts';
import { volumeUsers } from '../container/volume-uses.ts';
import type { FileLock } from '../host/file-lock.ts';
import type { VolumeRecord } from '../volume/volume-record.ts';
import { lockVolumes, tryLockVolumes, VolumeStore } from '../volume/volume-store.ts';

const ATTEMPTS = 100;
const PAUSE_MS = 2;

/**
 * Removes the volumes of containers that are gone, unless another container uses them, and what
 * killed commands left of volumes. Idempotent, and safe beside anything. Without such litter it
 * takes no lock.
 *
 * @throws EngineError `STORE_CORRUPT`; SystemCallError, and the reason of `signal`
 */
export async function sweepVolumes(
  dataDir: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  if (!hasLitter(dataDir)) return;
  {
    using _lock = await lockVolumes(dataDir, 'exclusive', options);
    discardLitter(dataDir);
  }
  VolumeStore.emptyTrash(dataDir);
}

/**
 * `sweepVolumes` for who cannot wait: when the lock stays busy for a moment, the litter is left to
 * the next sweep.
 */
export function sweepVolumesNow(dataDir: string): void {
  {
    using lock = lockSoon(dataDir);
    if (lock === undefined) return;
    discardLitter(dataDir);
  }
  VolumeStore.emptyTrash(dataDir);
}

function lockSoon(dataDir: string): FileLock | undefined {
  const neverChanges = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const lock = tryLockVolumes(dataDir);
    if (lock !== undefined) return lock;
    Atomics.wait(neverChanges, 0, 0, PAUSE_MS);
  }
  return undefined;
}

function hasLitter(dataDir: string): boolean {
  return (
    VolumeStore.hasTrash(dataDir) ||
    VolumeStore.list(dataDir).some((record) => isLitterVolume(dataDir, record))
  );
}

/** Under the volumes lock: nobody can begin to use one of them now. */
function discardLitter(dataDir: string): void {
  VolumeStore.discardUnfinished(dataDir);
  const litter = VolumeStore.list(dataDir).filter((record) => isLitterVolume(dataDir, record));
  if (litter.length === 0) return;
  const used = new Set(
    volumeUsers(dataDir).flatMap(({ uses }) => uses.map(({ volume }) => volume)),
  );
  for (const { name } of litter) if (!used.has(name)) VolumeStore.discard(dataDir, name);
}

/** Whether the container is gone that this volume was made for. */
export function isLitterVolume(dataDir: string, { ownerId }: VolumeRecord): boolean {
  if (ownerId === undefined) return false;
  return !isContainerId(ownerId) || !existsSync(containerDir(dataDir, ownerId));
}
