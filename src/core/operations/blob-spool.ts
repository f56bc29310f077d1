/**
 * A blob on its way through a file: it arrives as fast as its source gives it, and is read as fast as
 * its reader can, which may be far behind.
 *
 * Inflating and indexing are slower than a good network. If the source had to wait for them, what it
 * sent meanwhile would lie in the buffers of sockets, several MiB for each layer, and a kill would
 * lose it all. Here it is in the file, from which the next attempt goes on.
 */
import { readRange } from '../host/read-range.ts';
import { writeRange } from '../host/write-range.ts';

/** What a spool needs. */
export interface SpoolOptions {
  /** Read and write; stays the caller's, and is not touched any more once the loop has ended. */
  readonly fd: number;
  /** Bytes that `fd` has already, from its start on. */
  readonly keptBytes: number;
  /** The bytes that follow them; ends when its signal aborts. */
  readonly source: (signal: AbortSignal) => AsyncIterable<Buffer>;
  readonly signal: AbortSignal;
}

/** What arrived last stays in memory up to this, so that a reader who keeps up needs no file. */
const MAX_RECENT_BYTES = 2 * 1024 * 1024;

/**
 * All bytes: those that `fd` has, then those of `source`, each of which is written to `fd` before it
 * is given. A failure of the source is thrown after the bytes that came before it.
 */
export async function* spooled(options: SpoolOptions): AsyncGenerator<Buffer> {
  const leaving = new AbortController();
  const arrivals = new Arrivals(options.keptBytes);
  const pumping = pump(arrivals, options, AbortSignal.any([options.signal, leaving.signal]));
  try {
    let at = 0;
    for (;;) {
      const chunk = arrivals.takeRecent(at);
      if (chunk !== undefined) {
        at += chunk.length;
        yield chunk;
      } else if (at < arrivals.inFile) {
        for await (const piece of readRange(options.fd, at, arrivals.inFile)) {
          at += piece.length;
          yield piece;
        }
      } else if (arrivals.isEnded) {
        if (arrivals.failure !== undefined) throw arrivals.failure.error;
        return;
      } else {
        await arrivals.next();
      }
    }
  } finally {
    leaving.abort();
    await pumping;
  }
}

/** Never rejects: how the source ended is for the reader to see. */
async function pump(
  arrivals: Arrivals,
  { fd, source }: SpoolOptions,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const chunk of source(signal)) {
      if (signal.aborted) break;
      const position = arrivals.arrivedBytes;
      await writeRange(fd, chunk, { position, where: 'while writing a layer' });
      arrivals.add(chunk);
    }
    signal.throwIfAborted();
    arrivals.end(undefined);
  } catch (error) {
    arrivals.end({ error });
  }
}

/** What has arrived, seen from both sides. */
class Arrivals {
  /** From the start of the blob; all of them are in the file. */
  arrivedBytes: number;
  isEnded = false;
  failure: { readonly error: unknown } | undefined;
  #recent: Buffer[] = [];
  #recentBytes = 0;
  #wake: (() => void) | undefined;

  constructor(keptBytes: number) {
    this.arrivedBytes = keptBytes;
  }

  /** The end of what must be read from the file: where the recent bytes begin. */
  get inFile(): number {
    return this.arrivedBytes - this.#recentBytes;
  }

  add(chunk: Buffer): void {
    this.arrivedBytes += chunk.length;
    this.#recent.push(chunk);
    this.#recentBytes += chunk.length;
    if (this.#recentBytes > MAX_RECENT_BYTES) {
      this.#recent = [];
      this.#recentBytes = 0;
    }
    this.#wake?.();
  }

  end(failure: { readonly error: unknown } | undefined): void {
    this.isEnded = true;
    this.failure = failure;
    this.#wake?.();
  }

  /** The recent bytes, if they begin at `at`. */
  takeRecent(at: number): Buffer | undefined {
    if (at !== this.inFile || this.#recentBytes === 0) return undefined;
    const [first] = this.#recent;
    const chunk = this.#recent.length === 1 ? first : Buffer.concat(this.#recent);
    this.#recent = [];
    this.#recentBytes = 0;
    return chunk;
  }

  async next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }
}
