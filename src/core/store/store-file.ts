/**
 * Small files of the store: read in three system calls, written so that they are whole or absent.
 *
 * Unfinished files lie in `ingest/` and are flocked by their writer, so that garbage collection can
 * tell a live one from one whose writer died, without a clock.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fdatasyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { syncDirectory } from '../host/atomic-file.ts';
import { FileLock } from '../host/file-lock.ts';
import { isErrno } from '../host/libc.ts';
import { withStoreErrors } from './store-error.ts';
import { ingestDir } from './store-paths.ts';

const FIRST_READ_BYTES = 64 * 1024;

/**
 * The bytes of a file of at most `maxBytes`; undefined when there is no such file. A symbolic link
 * is refused.
 *
 * @throws EngineError `STORE_CORRUPT` when the file is longer, `STORE_UNUSABLE`, `PERMISSION_DENIED`
 */
export function readStoreFile(path: string, maxBytes: number): Buffer | undefined {
  return withStoreErrors('read', path, () => {
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
    try {
      return readToEnd(fd, path, maxBytes);
    } finally {
      closeSync(fd);
    }
  });
}

function readToEnd(fd: number, path: string, maxBytes: number): Buffer {
  let bytes = Buffer.allocUnsafe(FIRST_READ_BYTES);
  let filled = 0;
  for (;;) {
    const count = readSync(fd, bytes, filled, bytes.length - filled, null);
    filled += count;
    if (filled > maxBytes) {
      throw new EngineError(
        'STORE_CORRUPT',
        `${quote(path)} is longer than the ${maxBytes} bytes that such a file can have`,
      );
    }
    // A regular file gives all that was asked for unless it ends, which saves a call for its size.
    if (filled < bytes.length) return bytes.subarray(0, filled);
    const larger = Buffer.allocUnsafe(bytes.length * 4);
    bytes.copy(larger, 0, 0, filled);
    bytes = larger;
  }
}

/** How a file of the store is written. */
export interface WriteStoreFileOptions {
  /** Whether the bytes must be on disk before the name is. Default true. */
  readonly durable?: boolean;
  /** Permission bits, whatever the umask. Default 0600. */
  readonly mode?: number;
  /** Leave a file that is there as it is. Default false. */
  readonly ifMissing?: boolean;
}

/**
 * Makes or replaces a file of the store. Readers see the old bytes or the new ones. With `durable`
 * (the default) the bytes are synced before the file gets its name; the name itself is durable
 * after the next `syncDirectory` of its directory. A crash leaves at most a file in `ingest/`,
 * which gc removes.
 *
 * @throws EngineError `STORE_UNUSABLE`, `PERMISSION_DENIED`; then `path` is unchanged.
 */
export function writeStoreFile(
  dataDir: string,
  path: string,
  bytes: Uint8Array | string,
  { durable = true, mode = 0o600, ifMissing = false }: WriteStoreFileOptions = {},
): void {
  withStoreErrors('write', path, () => {
    using temporary = openTemporary(dataDir);
    try {
      writeFileSync(temporary.lock.fd, bytes);
      fchmodSync(temporary.lock.fd, mode);
      if (durable) fdatasyncSync(temporary.lock.fd);
      if (ifMissing) linkIfMissing(temporary.path, path);
      else renameIntoStore(temporary.path, path);
    } catch (error) {
      unlinkQuietly(temporary.path);
      throw error;
    }
  });
}

function linkIfMissing(temporaryPath: string, finalPath: string): void {
  try {
    makingParent(finalPath, () => linkSync(temporaryPath, finalPath));
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
  }
  unlinkSync(temporaryPath);
}

interface TemporaryFile extends Disposable {
  readonly path: string;
  readonly lock: FileLock;
}

function openTemporary(dataDir: string): TemporaryFile {
  for (;;) {
    const path = join(ingestDir(dataDir), `${randomBytes(8).toString('hex')}.tmp`);
    const lock = makingParent(path, () => FileLock.tryAcquire(path, 'exclusive'));
    // Undefined: a collector caught the file in the instant before it was locked.
    if (lock !== undefined) return { path, lock, [Symbol.dispose]: () => lock.release() };
  }
}

/**
 * Renames a finished file into its place in the store, making the directory when it is missing.
 * Both paths are on the store's file system.
 */
export function renameIntoStore(temporaryPath: string, finalPath: string): void {
  makingParent(finalPath, () => renameSync(temporaryPath, finalPath));
}

/** Runs `work`; when it fails because the directory of `path` is missing, makes that and tries again. */
export function makingParent<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    const directory = dirname(path);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
    syncDirectory(dirname(directory));
    return work();
  }
}

/** Removes a file; true when it was there. */
export function unlinkIfThere(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Removes a file after an error that matters more than a failure to remove it: gc finds it by its name. */
function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // The first error is the one to report.
  }
}
