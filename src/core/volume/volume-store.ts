/**
 * The volumes of one data directory. Each is a directory; there is no list besides.
 *
 * A volume is made under a name that nobody looks at and renamed: it is whole or absent. Who makes a
 * volume or writes down that a container uses one holds the volumes lock shared, briefly; who removes
 * one holds it exclusively while it looks for users and renames the volume away. So a volume that a
 * container has written down cannot vanish, and the content is deleted without any lock.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { syncDirectory, writeFileAtomic } from '../host/atomic-file.ts';
import { type AcquireOptions, FileLock, type LockMode } from '../host/file-lock.ts';
import { withSystemErrors } from '../host/libc.ts';
import { isVolumeName, VOLUME_NAME_RULE } from '../oci/volume-name.ts';
import { diskUse } from './disk-use.ts';
import {
  NEW_PREFIX,
  REMOVED_PREFIX,
  volumeDataDir,
  volumeDir,
  volumeRecordFile,
  volumesDir,
  volumesLockPath,
} from './volume-paths.ts';
import { encodeVolumeRecord, readVolumeRecord, type VolumeRecord } from './volume-record.ts';

/** What a volume is made with. */
export interface NewVolume {
  /** Checked here. */
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly isAnonymous?: boolean;
  /** See `VolumeRecord`. */
  readonly ownerId?: string;
}

/** A name for a volume that nobody names. */
export function newVolumeName(): string {
  return randomBytes(32).toString('hex');
}

/**
 * The name of the volume without a name that the container `containerId` has at `destination`:
 * always the same, so that the container finds it again.
 */
export function ownedVolumeName(containerId: string, destination: string): string {
  return createHash('sha256').update(`${containerId}\0${destination}`).digest('hex');
}

/**
 * Takes the volumes lock: see the head of this file. Makes the directory of volumes when it is
 * missing. The caller disposes the lock.
 *
 * @throws SystemCallError, and the reason of `signal`
 */
export async function lockVolumes(
  dataDir: string,
  mode: LockMode,
  options: AcquireOptions = {},
): Promise<FileLock> {
  makeVolumesDir(dataDir);
  return await FileLock.acquire(volumesLockPath(dataDir), mode, options);
}

/** `lockVolumes`, exclusively and without waiting: undefined when somebody else has the lock. */
export function tryLockVolumes(dataDir: string): FileLock | undefined {
  makeVolumesDir(dataDir);
  return FileLock.tryAcquire(volumesLockPath(dataDir), 'exclusive');
}

function makeVolumesDir(dataDir: string): void {
  withSystemErrors('while making the directory of volumes', () =>
    mkdirSync(volumesDir(dataDir), { recursive: true, mode: 0o700 }),
  );
}

/**
 * Makes a volume, and returns it as it is: when there is one of this name already, that one, with
 * its own labels. The caller holds the volumes lock, shared or not. A named volume has survived a
 * power cut once this returns; a kill leaves nothing that is seen.
 *
 * @throws EngineError `USAGE_INVALID` for the name; SystemCallError
 */
function create(dataDir: string, { name, ...rest }: NewVolume): VolumeRecord {
  requireName(name);
  const directory = volumeDir(dataDir, name);
  const existing = readVolumeRecord(directory, name);
  if (existing !== undefined) return existing;
  const record: VolumeRecord = {
    name,
    createdAt: new Date().toISOString(),
    labels: rest.labels ?? {},
    isAnonymous: rest.isAnonymous ?? false,
    ...(rest.ownerId === undefined ? {} : { ownerId: rest.ownerId }),
  };
  const fresh = join(volumesDir(dataDir), `${NEW_PREFIX}${randomBytes(8).toString('hex')}`);
  withSystemErrors(`while making the volume ${quote(name)}`, () => {
    try {
      makeFresh(fresh, record);
      renameSync(fresh, directory);
    } catch (error) {
      rmSync(fresh, { recursive: true, force: true });
      // Another process made it first.
      if (!hasErrno(error, 'ENOTEMPTY') && !hasErrno(error, 'EEXIST')) throw error;
    }
  });
  if (!record.isAnonymous) syncDirectory(volumesDir(dataDir));
  return readVolumeRecord(directory, name) ?? record;
}

function makeFresh(fresh: string, record: VolumeRecord): void {
  mkdirSync(fresh, { mode: 0o700 });
  mkdirSync(volumeDataDir(fresh));
  if (record.isAnonymous) {
    writeFileSync(volumeRecordFile(fresh), encodeVolumeRecord(record), { mode: 0o600 });
  } else {
    writeFileAtomic(volumeRecordFile(fresh), encodeVolumeRecord(record));
  }
}

function requireName(name: string): void {
  if (isVolumeName(name)) return;
  throw new EngineError('USAGE_INVALID', `${quote(name)} cannot be the name of a volume`, {
    hint: `A name has ${VOLUME_NAME_RULE}.`,
  });
}

/** All volumes by name; without a lock. One that goes meanwhile may be left out. */
function list(dataDir: string): VolumeRecord[] {
  return entries(dataDir)
    .filter(isVolumeName)
    .sort()
    .flatMap((name) => readVolumeRecord(volumeDir(dataDir, name), name) ?? []);
}

function entries(dataDir: string): string[] {
  try {
    return readdirSync(volumesDir(dataDir));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/**
 * The volume of this name.
 *
 * @throws EngineError `VOLUME_NOT_FOUND`
 */
function find(dataDir: string, name: string): VolumeRecord {
  const found = isVolumeName(name) ? readVolumeRecord(volumeDir(dataDir, name), name) : undefined;
  if (found !== undefined) return found;
  throw new EngineError('VOLUME_NOT_FOUND', `there is no volume ${quote(name)}`, {
    hint: 'Run "dray volume list" to see the volumes.',
  });
}

/**
 * Lets a volume outlive the container that it was made for. Idempotent; a missing one is fine. The
 * caller holds the volumes lock.
 */
function detach(dataDir: string, name: string): void {
  const directory = volumeDir(dataDir, name);
  const record = readVolumeRecord(directory, name);
  if (record?.ownerId === undefined) return;
  const { ownerId: _owner, ...free } = record;
  writeFileAtomic(volumeRecordFile(directory), encodeVolumeRecord(free), { durable: false });
}

/**
 * Takes a volume away from everybody; `emptyTrash` deletes what was in it. The caller holds the
 * volumes lock exclusively and knows that no container uses the volume. Idempotent.
 */
function discard(dataDir: string, name: string): void {
  const removed = join(volumesDir(dataDir), `${REMOVED_PREFIX}${randomBytes(8).toString('hex')}`);
  withSystemErrors(`while removing the volume ${quote(name)}`, () => {
    try {
      renameSync(join(volumesDir(dataDir), name), removed);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
    }
  });
}

/** Whether there is anything for `discardUnfinished` or `emptyTrash`. Takes no lock. */
function hasTrash(dataDir: string): boolean {
  return entries(dataDir).some(
    (name) => name.startsWith(NEW_PREFIX) || name.startsWith(REMOVED_PREFIX),
  );
}

/** Takes away what killed makers of volumes left. The caller holds the volumes lock exclusively. */
function discardUnfinished(dataDir: string): void {
  for (const name of entries(dataDir)) {
    if (name.startsWith(NEW_PREFIX)) discard(dataDir, name);
  }
}

/**
 * Deletes what was discarded, by us or by others that were killed; returns how many bytes of the
 * disk are free now. Needs no lock. Nothing of a volume may be mounted in this process.
 */
function emptyTrash(dataDir: string): number {
  let freedBytes = 0;
  for (const name of entries(dataDir)) {
    if (!name.startsWith(REMOVED_PREFIX)) continue;
    const path = join(volumesDir(dataDir), name);
    const bytes = diskUse(path);
    if (tryDelete(path)) freedBytes += bytes;
  }
  return freedBytes;
}

function tryDelete(path: string): boolean {
  try {
    rmSync(path, { recursive: true, force: true });
    return true;
  } catch (error) {
    // Somebody else is deleting the same, or has a part mounted, and will finish it.
    if (['ENOTEMPTY', 'ENOENT', 'EBUSY'].some((code) => hasErrno(error, code))) return false;
    throw error;
  }
}

/** The volumes of a data directory. */
export const VolumeStore = {
  create,
  list,
  find,
  detach,
  discard,
  hasTrash,
  discardUnfinished,
  emptyTrash,
} as const;
