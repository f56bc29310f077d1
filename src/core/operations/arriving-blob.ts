/** The writing side of a spool: what has arrived of a blob, in memory and in its file. */
import { readSync } from 'node:fs';
import { DIRECT_ALIGNMENT } from '../host/direct-io.ts';
import { FileWriter, RUN_BYTES } from '../host/file-writer.ts';

/** What arrived last stays in memory up to this, so that a reader who keeps up needs no file. */
const RECENT_BYTES = 4 * 1024 * 1024;
/** A source that is faster than the disk waits: a kill loses what is not in the file. */
const MOST_UNSAVED_BYTES = 256 * 1024;

/** Receives one blob. */
export class ArrivingBlob {
  readonly #writer: FileWriter;
  #run: Buffer;
  #runBytes: number;
  /** Where `#run` belongs in the file; a multiple of `DIRECT_ALIGNMENT` before the last one. */
  #runPosition: number;
  #arrivedBytes: number;
  #recent: Buffer[] = [];
  #recentBytes = 0;
  #isEnded = false;
  #work: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};

  /** @param keptBytes what the file has already. */
  constructor(fd: number, keptBytes: number) {
    this.#writer = new FileWriter(fd, 'while writing a layer', () => this.#writeBlocks());
    this.#run = this.#writer.emptyRun();
    this.#arrivedBytes = keptBytes;
    // The block that the kept bytes end in is written again, as a whole.
    this.#runBytes = keptBytes % DIRECT_ALIGNMENT;
    this.#runPosition = keptBytes - this.#runBytes;
    readSync(fd, this.#run, 0, this.#runBytes, this.#runPosition);
  }

  /** The reader finds all before this in the file, and all from here on in memory. */
  get inFile(): number {
    return this.#arrivedBytes - this.#recentBytes;
  }

  /** Whether nothing more will arrive, for whatever reason. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /**
   * Takes all of `source`; to be called once. Resolves when it has ended and is in the file; what it
   * gave before it failed is in the file, too.
   *
   * @throws what `source` throws; SystemCallError when writing fails
   */
  take(source: AsyncIterable<Buffer>): Promise<void> {
    this.#work = this.#receive(source);
    // Whoever called may look at the bytes first and at the failure later.
    this.#work.catch(() => {});
    return this.#work;
  }

  /** The next bytes in memory, if they begin at `at`. They are the caller's from now on. */
  recent(at: number): Buffer | undefined {
    if (at !== this.inFile) return undefined;
    const chunk = this.#recent.shift();
    this.#recentBytes -= chunk?.length ?? 0;
    return chunk;
  }

  /** Resolves with the next arrival, or the end. */
  change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Resolves when the file is not touched any more; never throws. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#work]);
  }

  async #receive(source: AsyncIterable<Buffer>): Promise<void> {
    try {
      try {
        for await (const chunk of source) {
          this.#add(chunk);
          await this.#writer.ready(MOST_UNSAVED_BYTES);
        }
      } finally {
        this.#writer.write(this.#run, this.#runBytes, this.#runPosition);
        this.#isEnded = true;
        this.#wake();
      }
      await this.#writer.flush();
    } finally {
      await this.#writer.settle();
    }
  }

  #add(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(this.#run, this.#runBytes, at);
      at += copied;
      this.#runBytes += copied;
      if (this.#runBytes === RUN_BYTES) this.#writeBlocks();
    }
    // Of a slow source every block is written as it comes: a kill loses nothing that waits for more.
    if (this.#writer.waitingBytes === 0) this.#writeBlocks();
    this.#arrivedBytes += chunk.length;
    this.#recent.push(chunk);
    this.#recentBytes += chunk.length;
    this.#forget();
    this.#wake();
  }

  /** Writes the whole blocks of the run, if any; the rest begins the next one. */
  #writeBlocks(): void {
    const length = this.#runBytes - (this.#runBytes % DIRECT_ALIGNMENT);
    if (length === 0 || this.#isEnded) return;
    const next = this.#writer.emptyRun();
    this.#run.copy(next, 0, length, this.#runBytes);
    this.#writer.write(this.#run, length, this.#runPosition);
    this.#run = next;
    this.#runPosition += length;
    this.#runBytes -= length;
  }

  /** Lets go of what is in the file, oldest first, where the reader is far behind. */
  #forget(): void {
    const writtenBytes = this.#runPosition - this.#writer.waitingBytes;
    for (let [first] = this.#recent; first !== undefined; [first] = this.#recent) {
      if (this.#recentBytes <= RECENT_BYTES || this.inFile + first.length > writtenBytes) return;
      this.#recent.shift();
      this.#recentBytes -= first.length;
    }
  }
}
