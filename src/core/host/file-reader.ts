/** Reading back a large file that was written past the page cache, without filling the cache. */
import { closeSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { alignedBuffer, DIRECT_ALIGNMENT, openDirect } from './direct-io.ts';
import { readRange } from './read-range.ts';

const readAsync = promisify(read);
const CHUNK_BYTES = 1024 * 1024;

/** Reads one open file, which stays the caller's. Disposing closes what it opened itself. */
export class FileReader implements Disposable {
  readonly #fd: number;
  readonly #directFd: number | undefined;

  /** @param fd open for reading. */
  constructor(fd: number) {
    this.#fd = fd;
    this.#directFd = openDirect(fd, 'read');
  }

  /**
   * The bytes from `start` up to `end` (exclusive), or to the end of the file if that comes first, in
   * pieces of at most 1 MiB, each a buffer of its own.
   */
  async *read(start: number, end: number): AsyncGenerator<Buffer> {
    if (this.#directFd === undefined) {
      yield* readRange(this.#fd, start, end);
      return;
    }
    for (let at = start; at < end; ) {
      const skipped = at % DIRECT_ALIGNMENT;
      const length = Math.min(CHUNK_BYTES, alignedUp(end - at + skipped));
      const buffer = alignedBuffer(length);
      const { bytesRead } = await readAsync(this.#directFd, buffer, 0, length, at - skipped);
      const piece = buffer.subarray(skipped, Math.min(bytesRead, end - at + skipped));
      if (piece.length === 0) return;
      at += piece.length;
      yield piece;
    }
  }

  [Symbol.dispose](): void {
    if (this.#directFd !== undefined) closeSync(this.#directFd);
  }
}

function alignedUp(length: number): number {
  return Math.ceil(length / DIRECT_ALIGNMENT) * DIRECT_ALIGNMENT;
}
