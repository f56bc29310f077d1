/**
 * Files that are whole or absent, whatever kills us and wherever the power goes.
 *
 * The order is: write under a temporary name, sync the file, rename, sync the directory. Without
 * the first sync a power cut can leave an empty file under the final name, without the second it
 * can undo the rename.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { quotePath, withSystemErrors } from './libc.ts';

/** What the names of unfinished files begin with; a cleaner may remove those that no writer holds. */
export const TEMPORARY_PREFIX = '.tmp-';

/** How a file is written. */
export interface WriteOptions {
  /** Permission bits of the file, whatever the umask. Default 0600. */
  readonly mode?: number;
  /** Whether the file must survive a power cut once we return. Default true. */
  readonly durable?: boolean;
}

/**
 * Makes or replaces the file at `path` with `bytes`. A reader sees the old bytes or the new ones,
 * never a mixture. A crash leaves at most a file beside it whose name begins with
 * `TEMPORARY_PREFIX`. Without `durable` a power cut may leave the file empty or missing.
 *
 * @throws SystemCallError, after removing the temporary file.
 */
export function writeFileAtomic(
  path: string,
  bytes: Uint8Array | string,
  options: WriteOptions = {},
): void {
  const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${randomBytes(8).toString('hex')}`);
  const isDurable = options.durable ?? true;
  withSystemErrors(`while writing ${quotePath(path)}`, () => {
    try {
      writeNewFile(temporary, bytes, { mode: options.mode ?? 0o600, durable: isDurable });
      renameSync(temporary, path);
    } catch (error) {
      removeQuietly(temporary);
      throw error;
    }
  });
  if (isDurable) {
    syncDirectory(dirname(path));
  }
}

/**
 * Gives the finished file `temporaryPath` its final name, replacing what is there, and makes both
 * the bytes and the name durable. Both paths must be on one file system. After a crash the file
 * has one of the two names. Syncing a directory once for many files is cheaper: see
 * `syncDirectory`.
 *
 * @throws SystemCallError; the file then keeps its temporary name.
 */
export function commitFile(temporaryPath: string, finalPath: string): void {
  withSystemErrors(`while committing ${quotePath(finalPath)}`, () => {
    const fd = openSync(temporaryPath, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporaryPath, finalPath);
  });
  syncDirectory(dirname(finalPath));
}

/**
 * Makes the names in a directory durable: what was created, renamed and removed in it so far.
 *
 * @throws SystemCallError.
 */
export function syncDirectory(path: string): void {
  withSystemErrors(`while syncing the directory ${quotePath(path)}`, () => {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  });
}

function writeNewFile(
  path: string,
  content: Uint8Array | string,
  options: Required<WriteOptions>,
): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const fd = openSync(path, 'wx', options.mode);
  try {
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(fd, bytes, written);
    }
    fchmodSync(fd, options.mode);
    if (options.durable) {
      fsyncSync(fd);
    }
  } finally {
    closeSync(fd);
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // The error that brought us here is the one to report; a cleaner finds the file by its name.
  }
}
