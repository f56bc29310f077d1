/** The files of one `enter`, in the directory of its container. */

import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { FileLock } from '../host/file-lock.ts';
import { isErrno, withSystemErrors } from '../host/libc.ts';

/** A directory that goes when this is disposed; after a kill the next `enter` removes it. */
export interface ExecDirectory extends Disposable {
  readonly path: string;
}

const PREFIX = 'exec-';
const LOCK_FILE = 'lock';

/**
 * Makes a directory for one `enter` below the container's own and removes those of others that were
 * killed: each is locked by the process that made it.
 *
 * @throws SystemCallError; `ENOENT` when the container has been removed meanwhile
 */
export function makeExecDirectory(containerDir: string): ExecDirectory {
  return withSystemErrors(`while preparing files in ${containerDir}`, () => {
    removeAbandoned(containerDir);
    for (;;) {
      const path = join(containerDir, `${PREFIX}${randomBytes(8).toString('hex')}`);
      mkdirSync(path, { mode: 0o700 });
      const lock = tryLock(path);
      // Somebody who removes what is abandoned came in between.
      if (lock === undefined) continue;
      return {
        path,
        [Symbol.dispose]: () => {
          rmSync(path, { recursive: true, force: true });
          lock.release();
        },
      };
    }
  });
}

function removeAbandoned(containerDir: string): void {
  for (const name of readdirSync(containerDir)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(containerDir, name);
    using lock = tryLock(path);
    if (lock !== undefined) rmSync(path, { recursive: true, force: true });
  }
}

function tryLock(path: string): FileLock | undefined {
  try {
    return FileLock.tryAcquire(join(path, LOCK_FILE), 'exclusive');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
