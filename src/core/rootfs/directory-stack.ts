/** The open directories on the way to where a walk is. */
import { closeSync, constants, openSync } from 'node:fs';
import { hasErrno } from '../errors.ts';
import { O_PATH } from '../host/libc.ts';

/** How many levels stay open; deeper ones close the topmost, which are opened again on the way up. */
const MOST_OPEN = 128;
const FLAGS = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

interface Level {
  readonly name: Buffer;
  fd: number | undefined;
}

/**
 * A directory and the names that lead down to another one, none of them a symbolic link. Disposing
 * closes all but the first, which stays the caller's.
 */
export class DirectoryStack implements Disposable {
  readonly #base: number;
  readonly #levels: Level[] = [];

  constructor(base: number) {
    this.#base = base;
  }

  /**
   * The directory at the bottom. A directory that was closed on the way is opened again by its name.
   *
   * @throws a Node error with `ENOENT` or `ENOTDIR` when it is gone
   */
  get fd(): number {
    const bottom = this.#levels.at(-1);
    if (bottom === undefined) return this.#base;
    if (bottom.fd === undefined) this.#reopen();
    return bottom.fd ?? this.#base;
  }

  /** Goes down to the directory `name`; false when there is none (any more). */
  enter(name: Buffer): boolean {
    const fd = tryOpen(this.fd, name);
    if (fd === undefined) return false;
    this.#levels.push({ name, fd });
    const oldest = this.#levels.at(-1 - MOST_OPEN);
    if (oldest?.fd !== undefined) {
      closeSync(oldest.fd);
      oldest.fd = undefined;
    }
    return true;
  }

  /** Goes up again. */
  leave(): void {
    const bottom = this.#levels.pop();
    if (bottom?.fd !== undefined) closeSync(bottom.fd);
  }

  #reopen(): void {
    let parent = this.#base;
    for (const level of this.#levels) {
      const isLast = level === this.#levels.at(-1);
      const fd = openSync(
        Buffer.concat([Buffer.from(`/proc/self/fd/${parent}/`), level.name]),
        FLAGS,
      );
      if (parent !== this.#base) closeSync(parent);
      parent = fd;
      if (isLast) level.fd = fd;
    }
  }

  [Symbol.dispose](): void {
    while (this.#levels.length > 0) this.leave();
  }
}

function tryOpen(parent: number, name: Buffer): number | undefined {
  try {
    return openSync(Buffer.concat([Buffer.from(`/proc/self/fd/${parent}/`), name]), FLAGS);
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}
