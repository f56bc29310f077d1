/**
 * Writing a large file in the thread pool, past the page cache where the file system can.
 *
 * The main thread does not wait for the disk. One call of write(2) is under way at a time, in the
 * order given: what a kill leaves of a file that is written from front to back is its beginning.
 * What gathers meanwhile goes out in one call.
 */
import { closeSync, write, writev } from 'node:fs';
import { hasErrno } from '../errors.ts';
import { alignedBuffer, DIRECT_ALIGNMENT, openDirect } from './direct-io.ts';
import { asSystemCallError } from './libc.ts';

/** The length of a run. */
export const RUN_BYTES = 1024 * 1024;
/** Bytes that wait or are under way before `ready` holds its caller back. */
const MOST_WAITING_BYTES = 6 * RUN_BYTES;

interface PendingWrite {
  readonly bytes: Buffer;
  readonly position: number;
  /** Comes back into use afterwards. */
  readonly run: Buffer;
}

/**
 * Writes runs to one open file, which stays the caller's and may be closed after `settle`. Nothing is
 * synced.
 */
export class FileWriter {
  readonly #fd: number;
  readonly #where: string;
  readonly #onIdle: (() => void) | undefined;
  /** The file once more, opened with the first write, for writing past the page cache. */
  #directFd: number | undefined;
  #isDirectTried = false;
  #queue: PendingWrite[] = [];
  #waitingBytes = 0;
  #isWriting = false;
  #failure: { readonly error: unknown } | undefined;
  #free: Buffer[] = [];
  #wake: () => void = () => {};

  /**
   * @param fd open for writing.
   * @param where ends the sentence of an error, such as `while writing a layer`.
   * @param onIdle called when all that was given is written, and may give more.
   */
  constructor(fd: number, where: string, onIdle?: () => void) {
    this.#fd = fd;
    this.#where = where;
    this.#onIdle = onIdle;
  }

  /** Bytes that were given and are not in the file yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Memory for the next run, `RUN_BYTES` long, its contents arbitrary. */
  emptyRun(): Buffer {
    return this.#free.pop() ?? alignedBuffer(RUN_BYTES);
  }

  /**
   * Takes the first `lengthBytes` of a run that `emptyRun` gave; the run is the writer's from now on.
   * After a failure it is dropped. The page cache is passed by when `position` and `lengthBytes` are
   * multiples of `DIRECT_ALIGNMENT`.
   */
  write(run: Buffer, lengthBytes: number, position: number): void {
    if (this.#failure !== undefined || lengthBytes === 0) return;
    this.#queue.push({ bytes: run.subarray(0, lengthBytes), position, run });
    this.#waitingBytes += lengthBytes;
    if (!this.#isWriting) this.#writeNext();
  }

  /**
   * When more is welcome, which is when no more than `mostBytes` wait; undefined when it is at once.
   *
   * @throws SystemCallError such as `ENOSPC`, of any write before.
   */
  ready(mostBytes = MOST_WAITING_BYTES): Promise<void> | undefined {
    const isReady = this.#failure === undefined && this.#waitingBytes <= mostBytes;
    return isReady ? undefined : this.#until(() => this.#waitingBytes <= mostBytes);
  }

  /** Resolves when all is written. @throws SystemCallError as `ready`. */
  flush(): Promise<void> {
    return this.#until(() => this.#waitingBytes === 0);
  }

  /** Resolves when nothing is under way any more; never throws. Ends the writer. Idempotent. */
  async settle(): Promise<void> {
    while (this.#isWriting) await this.#nextEnd();
    this.#failure ??= { error: new TypeError('the writer has ended') };
    this.#free = [];
    this.#isDirectTried = true;
    this.#closeDirect();
  }

  async #until(isReached: () => boolean): Promise<void> {
    while (this.#failure === undefined && !isReached()) await this.#nextEnd();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Everyone who waits is woken by each end of a call. */
  #nextEnd(): Promise<void> {
    return new Promise((resolve) => {
      const wakeOthers = this.#wake;
      this.#wake = () => {
        wakeOthers();
        resolve();
      };
    });
  }

  #writeNext(): void {
    const batch = this.#queue.slice(0, this.#adjacent());
    const [first] = batch;
    if (first === undefined) return;
    this.#isWriting = true;
    const fd = (batch.every(isAligned) ? this.#direct() : undefined) ?? this.#fd;
    const ended = (error: Error | null, count: number): void => {
      this.#isWriting = false;
      if (error === null) this.#written(count);
      else if (fd === this.#directFd && hasErrno(error, 'EINVAL')) this.#closeDirect();
      else this.#fail(error);
      if (this.#waitingBytes === 0) this.#onIdle?.();
      if (!this.#isWriting) this.#writeNext();
      const wake = this.#wake;
      this.#wake = () => {};
      wake();
    };
    if (batch.length === 1) write(fd, first.bytes, 0, first.bytes.length, first.position, ended);
    else writev(fd, buffersOf(batch), first.position, ended);
  }

  /** How many of the first pending writes lie one after the other in the file. */
  #adjacent(): number {
    const isNext = ({ position }: PendingWrite, index: number): boolean => {
      const before = this.#queue[index - 1];
      return before === undefined || before.position + before.bytes.length === position;
    };
    const gap = this.#queue.findIndex((pending, index) => !isNext(pending, index));
    return gap < 0 ? this.#queue.length : gap;
  }

  /** The kernel may have taken less than it was given. */
  #written(count: number): void {
    this.#waitingBytes -= count;
    let left = count;
    for (let [first] = this.#queue; first !== undefined; [first] = this.#queue) {
      const { bytes, position, run } = first;
      if (left < bytes.length) {
        this.#queue[0] = { bytes: bytes.subarray(left), position: position + left, run };
        return;
      }
      left -= bytes.length;
      this.#queue.shift();
      this.#free.push(run);
    }
  }

  #fail(error: unknown): void {
    this.#failure = { error: asSystemCallError(error, this.#where) };
    this.#queue = [];
  }

  #direct(): number | undefined {
    if (!this.#isDirectTried) this.#directFd = openDirect(this.#fd, 'write');
    this.#isDirectTried = true;
    return this.#directFd;
  }

  /** Also for a file system that opens for direct writing and then does not take these bytes. */
  #closeDirect(): void {
    if (this.#directFd !== undefined) closeSync(this.#directFd);
    this.#directFd = undefined;
  }
}

function isAligned({ bytes, position }: PendingWrite): boolean {
  return position % DIRECT_ALIGNMENT === 0 && bytes.length % DIRECT_ALIGNMENT === 0;
}

function buffersOf(batch: readonly PendingWrite[]): Buffer[] {
  return batch.map(({ bytes }) => bytes);
}
