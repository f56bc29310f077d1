/** What can be seen in the directories of containers. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { EngineError, hasErrno } from '../errors.ts';
import { FileLock } from '../host/file-lock.ts';
import { isErrno } from '../host/libc.ts';
import { type ContainerId, isContainerId } from './container-id.ts';
import {
  containerDir,
  containersDir,
  exitFile,
  lockPath,
  pidFile,
  recordFile,
  removedDir,
} from './container-paths.ts';
import {
  type ContainerExit,
  type ContainerRecord,
  MAX_RECORD_BYTES,
  parseExit,
  parseRecord,
} from './container-record.ts';
import { type ContainerPhase, phaseOf } from './lifecycle.ts';

/** A container as anyone can see it. */
export interface ContainerListing {
  readonly id: ContainerId;
  readonly directory: string;
  readonly phase: ContainerPhase;
  /** Undefined when it is damaged. */
  readonly record: ContainerRecord | undefined;
  /** Undefined while the container has not ended, and when its supervisor was killed. */
  readonly exit: ContainerExit | undefined;
}

/** What follows the id in the name of a container's directory. */
export type Suffix = '' | '.new' | '.removed';

/** A directory that is a container, will be one, or was one. */
export interface ContainerEntry {
  readonly id: ContainerId;
  readonly suffix: Suffix;
}

/** The containers of a data directory, with those that are being made or removed. */
export function containerEntries(dataDir: string): ContainerEntry[] {
  return namesIn(containersDir(dataDir)).flatMap((entry) => {
    const id = entry.slice(0, 64);
    const suffix = entry.slice(64);
    const isOurs = suffix === '' || suffix === '.new' || suffix === '.removed';
    return isOurs && isContainerId(id) ? { id, suffix } : [];
  });
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** What a container looks like now; undefined when it is not there. Takes no lock. */
export function lookAtContainer(
  dataDir: string,
  id: ContainerId,
  isRemoving: boolean,
): ContainerListing | undefined {
  const directory = isRemoving ? removedDir(dataDir, id) : containerDir(dataDir, id);
  // The lock before the files: a supervisor writes how it ended, then lets go.
  const isLocked = FileLock.isHeld(lockPath(directory));
  const hasExit = existsSync(exitFile(directory));
  const hasPid = existsSync(pidFile(directory));
  if (!existsSync(directory)) return undefined;
  return {
    id,
    directory,
    phase: phaseOf({ isRemoving, isLocked, hasPid, hasExit }),
    record: readTolerant(recordFile(directory), parseRecord),
    exit: readTolerant(exitFile(directory), parseExit),
  };
}

/** A parsed file; undefined when it is missing or damaged. */
export function readTolerant<T>(
  path: string,
  parse: (bytes: Buffer, path: string) => T,
): T | undefined {
  try {
    const bytes = readFileSync(path);
    return bytes.length > MAX_RECORD_BYTES ? undefined : parse(bytes, path);
  } catch (error) {
    const isDamaged = error instanceof EngineError && error.code === 'STORE_CORRUPT';
    if (isDamaged || hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The lock of a container's directory; undefined when it is held or the directory is gone. */
export function tryLockContainer(directory: string): FileLock | undefined {
  try {
    return FileLock.tryAcquire(lockPath(directory), 'exclusive');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
