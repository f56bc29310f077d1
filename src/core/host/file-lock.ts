/**
 * Advisory locks on files, by flock(2).
 *
 * The kernel releases a lock when its holder ends, however it ends, so a lock is never stale and
 * doubles as proof of life. A lock belongs to the open file, not to the name: the name may be
 * unlinked by a cleaner that holds the lock, and whoever then locked the nameless file notices and
 * starts over with the new one. Locks are advisory: only processes that ask for them obey them.
 * Nothing is promised between hosts that share a network file system.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  writeSync,
} from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isErrno, quotePath, tryFlock, unlockFlock, withSystemErrors } from './libc.ts';

/** Many `shared` holders, or one `exclusive` holder. */
export type LockMode = 'shared' | 'exclusive';

/** How to wait for a lock. */
export interface AcquireOptions {
  /** Ends the waiting; its reason is thrown. */
  readonly signal?: AbortSignal;
  /** Called once, when somebody else holds the lock and waiting begins. */
  readonly onWait?: () => void;
}

const SHORTEST_POLL_MS = 5;
const LONGEST_POLL_MS = 50;

/**
 * A held lock. Closing its descriptor ends it: by `release`, by disposal, or by the end of the
 * process. Children do not inherit it unless `fd` is handed to them as one of their descriptors;
 * then they share the lock, and it lasts until the last holder has closed it.
 */
export class FileLock implements Disposable, AsyncDisposable {
  /** The descriptor of the lock file, open for reading and writing. */
  readonly fd: number;
  #isReleased = false;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * Waits until the lock on `path` is ours. The file is made, empty and with mode 0600, when it is
   * missing; a symbolic link in its place is refused. Waiting polls, so it is not fair.
   *
   * @throws SystemCallError when the file cannot be opened, and the reason of `signal`.
   */
  static async acquire(
    path: string,
    mode: LockMode,
    options: AcquireOptions = {},
  ): Promise<FileLock> {
    options.signal?.throwIfAborted();
    let pollMs = SHORTEST_POLL_MS;
    let lock = FileLock.tryAcquire(path, mode);
    if (lock === undefined) {
      options.onWait?.();
    }
    while (lock === undefined) {
      await pause(pollMs, options.signal);
      pollMs = Math.min(pollMs * 2, LONGEST_POLL_MS);
      lock = FileLock.tryAcquire(path, mode);
    }
    return lock;
  }

  /**
   * Takes the lock on `path` if it is free, making the file as `acquire` does; undefined when
   * somebody else has it. An `isHeld` of another process looks like a holder for some
   * microseconds: where a wrong "held" would matter, use `acquire` with a short time-out.
   *
   * @throws SystemCallError when the file cannot be opened.
   */
  static tryAcquire(path: string, mode: LockMode): FileLock | undefined {
    for (;;) {
      const fd = openLockFile(path, constants.O_RDWR | constants.O_CREAT);
      let isOurs = false;
      try {
        if (!tryFlock(fd, mode)) {
          return undefined;
        }
        isOurs = isStillNamed(fd, path);
        if (isOurs) {
          return new FileLock(fd);
        }
      } finally {
        if (!isOurs) {
          closeSync(fd);
        }
      }
    }
  }

  /**
   * Whether somebody holds `path` exclusively, in this process or another; false when there is no
   * such file. Does not make, write, or keep the file locked. Shared holders are not seen.
   *
   * @throws SystemCallError when the file is there and cannot be opened.
   */
  static isHeld(path: string): boolean {
    let fd: number;
    try {
      fd = openLockFile(path, constants.O_RDONLY);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) {
        return false;
      }
      throw error;
    }
    try {
      return !tryFlock(fd, 'shared');
    } finally {
      closeSync(fd);
    }
  }

  /** The lock behind `fd`, which our parent took and handed down to us. */
  static adopt(fd: number): FileLock {
    return new FileLock(fd);
  }

  /** Makes an empty lock file hold `bytes` blanks, so that `write` needs no room on the disk later. */
  reserve(bytes: number): void {
    if (fstatSync(this.fd).size === 0) writeSync(this.fd, Buffer.alloc(bytes, ' '), 0, bytes, 0);
  }

  /**
   * Replaces what is in the lock file, also after its name is gone; `''` empties it. What was longer
   * is filled up with blanks, in place.
   */
  write(text: string): void {
    if (text === '') {
      ftruncateSync(this.fd, 0);
      return;
    }
    const bytes = Buffer.alloc(Math.max(fstatSync(this.fd).size, Buffer.byteLength(text)), ' ');
    bytes.write(text);
    writeSync(this.fd, bytes, 0, bytes.length, 0);
  }

  /** Ends the lock for every process that shares it. Idempotent. The file stays. */
  unlock(): void {
    if (!this.#isReleased) unlockFlock(this.fd);
    this.release();
  }

  /** Ends our hold on the lock. Idempotent. The file stays. */
  release(): void {
    if (!this.#isReleased) {
      this.#isReleased = true;
      // Closed, not unlocked: a child that was given the descriptor keeps the lock.
      closeSync(this.fd);
    }
  }

  [Symbol.dispose](): void {
    this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }
}

function openLockFile(path: string, flags: number): number {
  return withSystemErrors(`on the lock file ${quotePath(path)}`, () =>
    openSync(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600),
  );
}

// Between our open and our flock the previous holder may have unlinked the file; then our lock
// guards a file that nobody else can find.
function isStillNamed(fd: number, path: string): boolean {
  const locked = fstatSync(fd, { bigint: true });
  const named = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return named !== undefined && named.ino === locked.ino && named.dev === locked.dev;
}

async function pause(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(durationMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
