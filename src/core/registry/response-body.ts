/**
 * The body of a response, read with back-pressure and with an eye on the clock.
 *
 * At most 1 MiB and one read of the socket wait in memory. A reader that is slower than the network
 * gets what has gathered meanwhile as one buffer, so that hashing, inflating and writing work on
 * large pieces. The clock runs only while the reader waits for the network: a slow reader is never
 * taken for a slow registry.
 */
import type { IncomingMessage } from 'node:http';
import { EngineError } from '../errors.ts';
import { networkError } from './network-error.ts';
import { cancelled, TransientError } from './retry.ts';

const MAX_QUEUED_BYTES = 1024 * 1024;
const MAX_DISCARDED_BYTES = 64 * 1024;
/** A body that brings less than this in a whole `stallTimeoutMs` is as good as stalled. */
const TRICKLE_BYTES = 16 * 1024;

export interface BodyOptions {
  /** For messages. */
  readonly host: string;
  readonly stallTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Owns the connection until the body was read to its end or `close` was called. */
export class ResponseBody {
  readonly #message: IncomingMessage;
  readonly #options: BodyOptions;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #isDone = false;
  #failure: unknown;
  #wake: (() => void) | undefined;
  #waitedMs = 0;
  #bytesSinceReset = 0;

  constructor(message: IncomingMessage, options: BodyOptions) {
    this.#message = message;
    this.#options = options;
    message.on('data', (chunk: Buffer) => this.#take(chunk));
    message.on('end', () => this.#finish(undefined));
    message.on('error', (error) => this.#finish(error));
    message.on('close', () => this.#finish(cutError()));
  }

  /** Whether the body ended where its framing says; false where only the connection's end ended it. */
  get isFramed(): boolean {
    const { headers } = this.#message;
    return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  }

  /**
   * The bytes as they arrive. To be called once. Leaving the loop early closes the connection.
   *
   * @throws EngineError `CANCELLED`; a transient `REGISTRY_UNAVAILABLE` when the connection is cut or
   * stalls.
   */
  async *read(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const chunk = this.#drain();
        if (chunk !== undefined) yield chunk;
        else if (this.#failure !== undefined) throw this.#explain(this.#failure);
        else if (this.#isDone) return;
        else await this.#nextEvent();
      }
    } finally {
      this.close();
    }
  }

  /**
   * All bytes, or undefined when there are more than `maxBytes`.
   *
   * @throws EngineError as `read`.
   */
  async readAll(maxBytes: number): Promise<Buffer | undefined> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of this.read()) {
      bytes += chunk.length;
      if (bytes > maxBytes) return undefined;
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, bytes);
  }

  /** Drops the rest; a short one is read so that the connection can be used again. */
  async discard(): Promise<void> {
    let bytes = 0;
    try {
      for await (const chunk of this.read()) {
        bytes += chunk.length;
        if (bytes > MAX_DISCARDED_BYTES) return;
      }
    } catch (error) {
      // Nobody wanted the rest.
      if (!(error instanceof TransientError)) throw error;
    }
  }

  /** Gives the connection up unless the body was read to its end. Idempotent. */
  close(): void {
    if (!this.#message.complete || this.#message.isPaused()) this.#message.destroy();
    this.#queue = [];
  }

  #take(chunk: Buffer): void {
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= MAX_QUEUED_BYTES) this.#message.pause();
    this.#wake?.();
  }

  #finish(error: unknown): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#failure = error;
    this.#wake?.();
  }

  #drain(): Buffer | undefined {
    const [first] = this.#queue;
    if (first === undefined) return undefined;
    const chunk = this.#queue.length === 1 ? first : Buffer.concat(this.#queue, this.#queuedBytes);
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#bytesSinceReset += chunk.length;
    if (this.#bytesSinceReset >= TRICKLE_BYTES) {
      this.#bytesSinceReset = 0;
      this.#waitedMs = 0;
    }
    if (this.#message.isPaused()) this.#message.resume();
    return chunk;
  }

  async #nextEvent(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const started = performance.now();
    const remainingMs = Math.max(1, this.#options.stallTimeoutMs - this.#waitedMs);
    const timer = setTimeout(() => this.#finish(this.#stalled()), remainingMs);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
    this.#waitedMs += performance.now() - started;
  }

  #stalled(): EngineError {
    const { host, stallTimeoutMs } = this.#options;
    const seconds = Math.round(stallTimeoutMs / 100) / 10;
    return new TransientError(
      'REGISTRY_UNAVAILABLE',
      `${host} stopped sending: fewer than ${TRICKLE_BYTES} bytes in ${seconds} s`,
    );
  }

  #explain(failure: unknown): unknown {
    const { host, signal } = this.#options;
    if (signal?.aborted) return cancelled(signal);
    return failure instanceof EngineError
      ? failure
      : networkError(failure, host, { doing: 'read the answer' });
  }
}

function cutError(): Error {
  return Object.assign(new Error('the connection ended before the body did'), {
    code: 'ECONNRESET',
  });
}
