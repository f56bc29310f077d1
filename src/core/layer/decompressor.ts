/**
 * Inflates a layer while everything else is done with what was inflated before.
 *
 * Inflating is what limits a fetch. It runs in the thread pool; it must find its next input and a
 * free main thread the moment it is done. So two inputs are always under way, small inputs are
 * joined, and output is worked on in `setImmediate`, one chunk at a time, never inside the stream's
 * own callbacks. Output cannot pile up: a turn of the event loop brings at most one chunk of it, and
 * works on one.
 */

import type { ZstdDecompress } from 'node:zlib';
import { constants, createGunzip, createZstdDecompress, type Gunzip } from 'node:zlib';
import { invalidLayer } from './layer-error.ts';
import { ZstdFrames } from './zstd-frames.ts';

const CHUNK_BYTES = 1024 * 1024;
/** Compressed bytes that wait for the stream before `write` holds its caller back. */
const WAITING_INPUT_BYTES = 2 * CHUNK_BYTES;
const INPUTS_UNDER_WAY = 2;
/** The window that `zstd --ultra -22` uses: 128 MiB. A larger one is refused, to bound memory. */
const ZSTD_WINDOW_LOG = 27;

/** Takes bytes; a promise says when more are welcome, none that they are at once. */
export type OnBytes = (bytes: Buffer) => Promise<void> | undefined;

/** Feeds compressed bytes to a zlib stream and its output, in order, to a function. */
export class Decompressor implements Disposable {
  readonly #format: 'gzip' | 'zstd';
  readonly #stream: Gunzip | ZstdDecompress;
  readonly #frames: ZstdFrames | undefined;
  readonly #onOutput: OnBytes;
  #input: Buffer[] = [];
  #inputBytes = 0;
  #inputsUnderWay = 0;
  #output: Buffer[] = [];
  #isDrainScheduled = false;
  #isStreamEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};

  /**
   * `onOutput` gets each chunk once, and the next one when its promise, if any, has resolved; what it
   * throws, `write` or `end` throws.
   */
  constructor(format: 'gzip' | 'zstd', onOutput: OnBytes) {
    this.#format = format;
    this.#onOutput = onOutput;
    this.#stream = openStream(format);
    this.#frames = format === 'zstd' ? new ZstdFrames() : undefined;
    this.#stream.on('data', (chunk: Buffer) => this.#queueOutput(chunk));
    this.#stream.on('error', (error: Error) => this.#fail(this.#explained(error)));
    this.#stream.on('end', () => {
      this.#isStreamEnded = true;
      this.#wake();
    });
  }

  /**
   * Takes the next compressed bytes, which must not change afterwards. Resolves when more are
   * welcome. One call at a time.
   *
   * @throws EngineError `LAYER_INVALID` for bytes that cannot be inflated, or what `onOutput` threw.
   */
  async write(bytes: Buffer): Promise<void> {
    this.#frames?.take(bytes);
    this.#input.push(bytes);
    this.#inputBytes += bytes.length;
    this.#feed();
    await this.#until(() => this.#inputBytes <= WAITING_INPUT_BYTES);
  }

  /** Says that there is no more input; resolves when `onOutput` has seen all. Throws as `write`. */
  async end(): Promise<void> {
    this.#frames?.end();
    await this.#until(() => this.#inputBytes === 0);
    this.#stream.end();
    await this.#until(
      () => this.#isStreamEnded && this.#output.length === 0 && !this.#isDrainScheduled,
    );
  }

  /** Stops at once; what has not been given to `onOutput` never will be. Idempotent. */
  [Symbol.dispose](): void {
    this.#input = [];
    this.#output = [];
    this.#stream.destroy();
  }

  async #until(isReached: () => boolean): Promise<void> {
    while (this.#failure === undefined && !isReached()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #feed(): void {
    if (this.#inputsUnderWay === INPUTS_UNDER_WAY || this.#input.length === 0) return;
    const bytes = this.#nextInput();
    this.#inputBytes -= bytes.length;
    this.#inputsUnderWay += 1;
    this.#stream.write(bytes, () => {
      this.#inputsUnderWay -= 1;
      this.#feed();
      this.#wake();
    });
    this.#feed();
  }

  /** Everything that waits, up to about one chunk: a call per network packet would cost more. */
  #nextInput(): Buffer {
    let count = 0;
    for (let bytes = 0; count < this.#input.length && bytes < CHUNK_BYTES; count += 1) {
      bytes += this.#input[count]?.length ?? 0;
    }
    const [first, ...more] = this.#input.splice(0, count);
    return first !== undefined && more.length === 0
      ? first
      : Buffer.concat([first ?? EMPTY, ...more]);
  }

  #queueOutput(chunk: Buffer): void {
    this.#output.push(chunk);
    this.#scheduleDrain();
  }

  #scheduleDrain(): void {
    if (this.#isDrainScheduled || this.#output.length === 0) return;
    this.#isDrainScheduled = true;
    setImmediate(() => {
      this.#drainOne();
    });
  }

  #drainOne(): void {
    const chunk = this.#output.shift();
    try {
      const ready = chunk === undefined ? undefined : this.#onOutput(chunk);
      if (ready === undefined) this.#drained();
      else
        ready.then(
          () => this.#drained(),
          (error: unknown) => this.#fail(error),
        );
    } catch (error) {
      this.#fail(error);
    }
  }

  #drained(): void {
    this.#isDrainScheduled = false;
    this.#scheduleDrain();
    if (this.#output.length === 0) this.#wake();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this[Symbol.dispose]();
    this.#wake();
  }

  #explained(error: Error): Error {
    const code = 'code' in error ? String(error.code) : '';
    const isAboutBytes = /^Z_(?:DATA|BUF)_ERROR$|^ZSTD_error_|^Z_NEED_DICT$/.test(code);
    return isAboutBytes
      ? invalidLayer(`its ${this.#format} data cannot be inflated: ${error.message}`, error)
      : error;
  }
}

const EMPTY = Buffer.alloc(0);

function openStream(format: 'gzip' | 'zstd'): Gunzip | ZstdDecompress {
  if (format === 'gzip') return createGunzip({ chunkSize: CHUNK_BYTES });
  return createZstdDecompress({
    chunkSize: CHUNK_BYTES,
    params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG },
  });
}
