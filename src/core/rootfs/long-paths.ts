/**
 * Host paths for names in a tree. A path in an image may be as long as the host allows for a whole
 * path, and below the store's own directory it is then too long for any call. Such a path goes
 * through the open descriptor of a directory on the way.
 */
import { closeSync, constants, openSync } from 'node:fs';

/** Longest path that is passed as it is; the kernel takes 4095 bytes. */
const LONGEST_DIRECT = 3000;
/** A hard link needs two at once. */
const MOST_ANCHORS = 4;
const ANCHOR_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Gives host paths below one directory. Disposing closes the descriptors that it holds. */
export class LongPaths implements Disposable {
  readonly #directory: Buffer;
  /** Open directories by their path in the tree, least recently made first. */
  readonly #anchors = new Map<string, number>();

  constructor(directory: string) {
    this.#directory = Buffer.from(directory);
  }

  /**
   * The host path of `path`, a latin1 string relative to the directory; empty for the directory
   * itself. Every directory on the way must exist and must not be a symlink. A path through a
   * descriptor is good until the fourth further call.
   */
  of(path: string): Buffer {
    if (path === '') return this.#directory;
    if (this.#directory.length + path.length < LONGEST_DIRECT) return join(this.#directory, path);
    const room = LONGEST_DIRECT - this.#directory.length;
    const cut = path.lastIndexOf('/', Math.max(room - 2, 0));
    if (cut <= 0) return join(this.#directory, path);
    const descriptor = this.#anchor(path.slice(0, cut));
    return join(Buffer.from(`/proc/self/fd/${descriptor}`), path.slice(cut + 1));
  }

  #anchor(path: string): number {
    const known = this.#anchors.get(path);
    if (known !== undefined) return known;
    for (const [oldest, descriptor] of this.#anchors) {
      if (this.#anchors.size < MOST_ANCHORS) break;
      this.#anchors.delete(oldest);
      closeSync(descriptor);
    }
    const descriptor = openSync(join(this.#directory, path), ANCHOR_FLAGS);
    this.#anchors.set(path, descriptor);
    return descriptor;
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#anchors.values()) closeSync(descriptor);
    this.#anchors.clear();
  }
}

function join(base: Buffer, path: string): Buffer {
  return Buffer.concat([base, Buffer.from(`/${path}`, 'latin1')]);
}
