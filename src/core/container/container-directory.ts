/** What can be seen in the directories of containers. */
import { existsSync, readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { hasErrno } from '../errors.ts';
import { areFrozen } from '../host/control-group.ts';
import { FileLock } from '../host/file-lock.ts';
import { isErrno } from '../host/libc.ts';
import { type ContainerId, isContainerId } from './container-id.ts';
import {
  containerDir,
  containersDir,
  createdFile,
  exitFile,
  lockPath,
  pidFile,
  recordFile,
  removedDir,
} from './container-paths.ts';
import {
  type ContainerExit,
  type ContainerRecord,
  parseExit,
  parseRecord,
} from './container-record.ts';
import { type ContainerPhase, isLitter, phaseOf } from './lifecycle.ts';
import { type RunState, readRunState } from './run-state.ts';
import { readTolerant } from './tolerant-file.ts';

/** A container as anyone can see it. */
export interface ContainerListing {
  readonly id: ContainerId;
  readonly directory: string;
  readonly phase: ContainerPhase;
  /** Undefined when it is damaged. */
  readonly record: ContainerRecord | undefined;
  /** Undefined while the container has not ended, and when its supervisor was killed. */
  readonly exit: ContainerExit | undefined;
  /** The host's number of its first process, while there is one (running or paused). */
  readonly pid: number | undefined;
  /** When its process was last started; undefined when it never was. */
  readonly startedAt: Date | undefined;
  /** The current or last run; undefined before the first. */
  readonly run: RunState | undefined;
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
  const exit = existsSync(exitFile(directory));
  const started = statOf(pidFile(directory));
  const isCreated = existsSync(createdFile(directory));
  if (!existsSync(directory)) return undefined;
  const run = readRunState(directory);
  const phase = phaseOf({
    isRemoving,
    isLocked,
    hasPid: started !== undefined,
    hasExit: exit,
    isCreated,
    isFrozen: isLocked && run !== undefined && areFrozen(run.cgroups),
    hasRestarted: run !== undefined && run.restartCount > 0,
  });
  return {
    id,
    directory,
    phase,
    record: readTolerant(recordFile(directory), parseRecord),
    exit: exit || phase === 'exited' ? readEnd(directory) : undefined,
    pid: phase === 'running' || phase === 'paused' ? readPid(directory) : undefined,
    startedAt: started?.mtime,
    run,
  };
}

/** A disk that was full has it in the lock alone, where only a free one has the end of the last run. */
function readEnd(directory: string): ContainerExit | undefined {
  return (
    readTolerant(exitFile(directory), parseExit) ?? readTolerant(lockPath(directory), parseExit)
  );
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function readPid(directory: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile(directory), 'latin1'));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Whether a container that nobody holds should go. */
export function isLitterAt(directory: string): boolean {
  return isLitter({
    // A container whose record is damaged is of no use to anyone.
    removeOnExit: readTolerant(recordFile(directory), parseRecord)?.removeOnExit ?? true,
    hasPid: existsSync(pidFile(directory)),
    hasExit: existsSync(exitFile(directory)),
    isCreated: existsSync(createdFile(directory)),
  });
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
