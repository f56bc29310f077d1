/**
 * Names of containers: each is a symbolic link to its container, made atomically by whoever is
 * first.
 *
 * A name is free when its container is gone. While the container's directory exists only the
 * container itself gives its name back, so that needs no lock; whoever takes a name from a container
 * that is gone holds the names lock, so that no two do.
 */
import { existsSync, mkdirSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { FileLock } from '../host/file-lock.ts';
import { type ContainerId, isContainerId } from './container-id.ts';
import {
  containerDir,
  freshDir,
  lockPath,
  nameLink,
  namesDir,
  namesLockPath,
} from './container-paths.ts';
import { pauseBriefly } from './pause.ts';

/**
 * Gives `name` to the container `id`, which is being made and locked.
 *
 * @throws EngineError `CONTAINER_NAME_IN_USE` naming the container that has it.
 */
export function claimName(dataDir: string, name: string, id: ContainerId): void {
  while (!tryLink(dataDir, name, id)) {
    const holder = holderOf(dataDir, name);
    if (holder !== undefined && isPresent(dataDir, holder)) throw inUse(name, holder);
    if (!tryFree(dataDir, name)) pauseBriefly();
  }
}

/** Gives the name of a container back, if it still is its own. Before the container's directory goes. */
export function releaseName(dataDir: string, name: string, id: ContainerId): void {
  if (holderOf(dataDir, name) === id) unlinkSync(nameLink(dataDir, name));
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

// In this order: a container that becomes visible between the two looks is seen by the second.
function isPresent(dataDir: string, id: ContainerId): boolean {
  return FileLock.isHeld(lockPath(freshDir(dataDir, id))) || existsSync(containerDir(dataDir, id));
}

/** Frees a name whose container is gone; false when another process is doing so. */
function tryFree(dataDir: string, name: string): boolean {
  using lock = FileLock.tryAcquire(namesLockPath(dataDir), 'exclusive');
  if (lock === undefined) return false;
  const holder = holderOf(dataDir, name);
  if (holder !== undefined && isPresent(dataDir, holder)) return true;
  try {
    unlinkSync(nameLink(dataDir, name));
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
  }
  return true;
}

function inUse(name: string, holder: ContainerId): EngineError {
  return new EngineError(
    'CONTAINER_NAME_IN_USE',
    `the container name ${quote(name)} is in use by the container ${holder.slice(0, 12)}`,
    { hint: `Choose another name, or remove that container with "dray rm ${name}".` },
  );
}
