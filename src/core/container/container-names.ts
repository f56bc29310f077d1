/**
 * Names of containers: each is a symbolic link to its container, made atomically by whoever is
 * first.
 *
 * A name is free when its container is gone, or when the container's record has another name. While
 * the container's directory exists only the container itself gives its name back, so that needs no
 * lock; whoever takes a name from a container that is gone, or renames, holds the names lock, so that
 * no two do.
 */
import {
  existsSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { FileLock } from '../host/file-lock.ts';
import { type ContainerId, isContainerId, parseContainerName } from './container-id.ts';
import {
  containerDir,
  freshDir,
  lockPath,
  nameLink,
  namesDir,
  namesLockPath,
  recordFile,
} from './container-paths.ts';
import { parseRecord } from './container-record.ts';
import { pauseBriefly } from './pause.ts';
import { readTolerant } from './tolerant-file.ts';

/**
 * Gives `name` to the container `id`, which is being made and locked.
 *
 * @throws EngineError `CONTAINER_NAME_IN_USE` naming the container that has it.
 */
export function claimName(dataDir: string, name: string, id: ContainerId): void {
  while (!tryLink(dataDir, name, id)) {
    assertFree(dataDir, name);
    if (!tryFree(dataDir, name)) pauseBriefly();
  }
}

/**
 * Gives the container `id` another name. The link of the new name comes first and the link of the
 * old one goes last, with the record between; killed anywhere, the record says which name it has,
 * and the other one is free.
 *
 * @throws EngineError `USAGE_INVALID`, `CONTAINER_NAME_IN_USE`, `CONTAINER_NOT_FOUND`
 */
export async function renameContainer(
  dataDir: string,
  id: ContainerId,
  newName: string,
): Promise<void> {
  const name = parseContainerName(newName);
  mkdirSync(namesDir(dataDir), { recursive: true, mode: 0o700 });
  using _names = await FileLock.acquire(namesLockPath(dataDir), 'exclusive');
  const path = recordFile(containerDir(dataDir, id));
  const record = readTolerant(path, parseRecord);
  if (record === undefined) throw gone(id);
  if (record.name === name) return;
  while (!tryLink(dataDir, name, id)) {
    assertFree(dataDir, name);
    free(dataDir, name);
  }
  try {
    writeFileSync(`${path}.new`, JSON.stringify({ ...record, name }), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    releaseName(dataDir, name, id);
    throw hasErrno(error, 'ENOENT') ? gone(id) : error;
  }
  if (record.name !== undefined) releaseName(dataDir, record.name, id);
}

function gone(id: ContainerId): EngineError {
  return new EngineError(
    'CONTAINER_NOT_FOUND',
    `the container ${id.slice(0, 12)} is gone or its record is damaged`,
  );
}

/** Gives the name of a container back, if it still is its own. Before the container's directory goes. */
export function releaseName(dataDir: string, name: string, id: ContainerId): void {
  if (holderOf(dataDir, name) === id) rmSync(nameLink(dataDir, name), { force: true });
}

/** Who has this name; undefined when nobody has, or nobody that could exist. */
export function holderOf(dataDir: string, name: string): ContainerId | undefined {
  try {
    const id = basename(readlinkSync(nameLink(dataDir, name)));
    return isContainerId(id) ? id : undefined;
  } catch (error) {
    // EINVAL: something that is no link, which was not made here.
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'EINVAL')) return undefined;
    throw error;
  }
}

function tryLink(dataDir: string, name: string, id: ContainerId): boolean {
  const link = nameLink(dataDir, name);
  try {
    symlinkSync(`../${id}`, link);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false;
    if (!hasErrno(error, 'ENOENT')) throw error;
    mkdirSync(namesDir(dataDir), { recursive: true, mode: 0o700 });
    return false;
  }
}

function assertFree(dataDir: string, name: string): void {
  const holder = holderOf(dataDir, name);
  if (holder !== undefined && hasName(dataDir, holder, name)) throw inUse(name, holder);
}

// In this order: a container that becomes visible between the looks is seen by the second. Whoever
// is being renamed has a link that its record does not confirm yet, and the names lock.
function hasName(dataDir: string, id: ContainerId, name: string): boolean {
  if (FileLock.isHeld(lockPath(freshDir(dataDir, id)))) return true;
  const directory = containerDir(dataDir, id);
  if (!existsSync(directory)) return false;
  const record = readTolerant(recordFile(directory), parseRecord);
  return record === undefined || record.name === name;
}

/** Frees a name whose container is gone or has another; false when another process is doing so. */
function tryFree(dataDir: string, name: string): boolean {
  using lock = FileLock.tryAcquire(namesLockPath(dataDir), 'exclusive');
  if (lock === undefined) return false;
  free(dataDir, name);
  return true;
}

/** To be called under the names lock. */
function free(dataDir: string, name: string): void {
  const holder = holderOf(dataDir, name);
  if (holder !== undefined && hasName(dataDir, holder, name)) return;
  rmSync(nameLink(dataDir, name), { force: true });
}

function inUse(name: string, holder: ContainerId): EngineError {
  return new EngineError(
    'CONTAINER_NAME_IN_USE',
    `the container name ${quote(name)} is in use by the container ${holder.slice(0, 12)}`,
    { hint: `Choose another name, or remove that container with "dray rm ${name}".` },
  );
}
