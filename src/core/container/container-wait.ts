/** Waiting for the end of a container without touching it. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hasErrno } from '../errors.ts';
import { tryFlock, unlockFlock } from '../host/libc.ts';
import type { ContainerId } from './container-id.ts';
import { containerDir, exitFile, lockPath } from './container-paths.ts';
import { type ContainerExit, parseExit } from './container-record.ts';
import { readTolerant } from './tolerant-file.ts';

/** How long to wait. */
export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Undefined: for ever. */
  readonly timeoutMs?: number | undefined;
}

/** What came of waiting. */
export interface WaitResult {
  /** Whether nobody holds the container any more; false when the time was up. */
  readonly isOver: boolean;
  /** How it ended; undefined when that is not known. */
  readonly exit: ContainerExit | undefined;
}

const SHORTEST_POLL_MS = 2;
const LONGEST_POLL_MS = 50;

/**
 * Resolves when nobody holds the lock of the container any more: its supervisor is done with it, or
 * it and its watch are dead. The end is read from the lock file, which this keeps open, so it is
 * known although the container was removed meanwhile.
 *
 * @throws the reason of `signal`
 */
export async function waitUntilFree(
  dataDir: string,
  id: ContainerId,
  { signal, timeoutMs }: WaitOptions = {},
): Promise<WaitResult> {
  const directory = containerDir(dataDir, id);
  const fd = openLock(lockPath(directory));
  if (fd === undefined) return { isOver: true, exit: undefined };
  try {
    const deadline = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
    let pollMs = SHORTEST_POLL_MS;
    while (!tryFlock(fd, 'shared')) {
      if (performance.now() >= deadline) return { isOver: false, exit: undefined };
      await pause(Math.min(pollMs, deadline - performance.now()), signal);
      pollMs = Math.min(pollMs * 2, LONGEST_POLL_MS);
    }
    unlockFlock(fd);
    return { isOver: true, exit: readTolerant(exitFile(directory), parseExit) ?? exitIn(fd) };
  } finally {
    closeSync(fd);
  }
}

function openLock(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

const LONGEST_EXIT = 65_536;

/** What the supervisor wrote into its lock; nothing whole when it was killed. */
function exitIn(fd: number): ContainerExit | undefined {
  const bytes = Buffer.alloc(Math.min(fstatSync(fd).size, LONGEST_EXIT));
  const length = readSync(fd, bytes, 0, bytes.length, 0);
  try {
    return parseExit(bytes.subarray(0, length), 'lock');
  } catch {
    // Whatever it is, it tells no end.
    return undefined;
  }
}

async function pause(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(Math.max(durationMs, 0), undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
