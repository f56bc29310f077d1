/** Waiting for processes that somebody else started and left to us. */
import { constants } from 'node:os';
import { lastErrno, nativeFunction } from './ffi.ts';
import { throwLastError } from './libc.ts';
import type { ProcessEnd } from './process.ts';

const prctl = nativeFunction('prctl', {
  arguments: ['i32', 'u64', 'u64', 'u64', 'u64'],
  return: 'i32',
});
const PR_SET_CHILD_SUBREAPER = 36;

const waitpid = nativeFunction('waitpid', { arguments: ['i32', 'pointer', 'i32'], return: 'i32' });
const WNOHANG = 1;

/** setInterval's longest. Node lets a process end that only waits for a signal. */
const KEEP_ALIVE_MS = 2 ** 31 - 1;

/**
 * From now on descendants whose parent ends become our children instead of process 1's.
 *
 * @throws SystemCallError
 */
export function adoptOrphans(): void {
  if (prctl()(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n) !== 0)
    throwLastError('prctl', 'while becoming the subreaper');
}

/**
 * Resolves when our adopted child `pid` has ended, and reaps it. Until then its pid cannot be given
 * to another process; `onReaped` is called at once when it can.
 *
 * @throws SystemCallError `ECHILD` when there is no such child.
 */
export async function waitForOrphan(pid: number, onReaped: () => void): Promise<ProcessEnd> {
  const { promise, resolve, reject } = Promise.withResolvers<ProcessEnd>();
  const look = (): void => {
    try {
      const end = reap(pid);
      if (end === undefined) return;
      onReaped();
      resolve(end);
    } catch (error) {
      reject(error);
    }
  };
  const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS);
  // Before the first look: an end between the two must not be missed.
  process.on('SIGCHLD', look);
  try {
    look();
    return await promise;
  } finally {
    process.off('SIGCHLD', look);
    clearInterval(keepAlive);
  }
}

function reap(pid: number): ProcessEnd | undefined {
  const status = Buffer.alloc(4);
  const found = waitpid()(pid, status, WNOHANG);
  if (found === 0) return undefined;
  if (found < 0) {
    if (lastErrno() === constants.errno.EINTR) return undefined;
    throwLastError('waitpid', `for the process ${pid}`);
  }
  const word = status.readInt32LE(0);
  const signal = word & 0x7f;
  if (signal === 0) return { status: (word >> 8) & 0xff, signalName: null };
  return { status: null, signalName: signalName(signal) };
}

function signalName(number: number): NodeJS.Signals {
  const entries = Object.entries(constants.signals) as [NodeJS.Signals, number][];
  return entries.find(([, value]) => value === number)?.[0] ?? 'SIGKILL';
}
