/** Writes a blob as it arrives, in runs that direct I/O takes. */
import { DIRECT_ALIGNMENT } from '../host/direct-io.ts';
import { FileWriter, RUN_BYTES } from '../host/file-writer.ts';

/**
 * Gathers the bytes of one blob and writes them to a file, which stays the caller's and may be closed
 * after `settle`. Nothing is synced.
 */
export class BlobWriter {
  readonly #writer: FileWriter;
  #run: Buffer;
  #runBytes = 0;
  /** Where `#run` belongs in the file. */
  #runPosition: number;
  /** Where the next appended byte stands in the blob. */
  #position = 0;

  /**
   * @param knownBytes what the file holds already of the blob's beginning: they are appended like all
   * others and need not be written. @throws SystemCallError
   */
  constructor(fd: number, knownBytes: number) {
    this.#writer = new FileWriter(fd, 'while writing a layer');
    this.#run = this.#writer.emptyRun();
    this.#runPosition = knownBytes - (knownBytes % DIRECT_ALIGNMENT);
  }

  /**
   * Takes the next bytes; they may change afterwards.
   *
   * @returns as `FileWriter.ready`. @throws SystemCallError
   */
  append(bytes: Buffer): Promise<void> | undefined {
    let at = Math.min(Math.max(this.#runPosition - this.#position, 0), bytes.length);
    this.#position += bytes.length;
    while (at < bytes.length) {
      const copied = bytes.copy(this.#run, this.#runBytes, at);
      at += copied;
      this.#runBytes += copied;
      if (this.#runBytes === RUN_BYTES) this.#writeRun();
    }
    return this.#writer.ready();
  }

  /** Resolves when all that was appended is written. @throws SystemCallError */
  async flush(): Promise<void> {
    this.#writeRun();
    await this.#writer.flush();
  }

  /** Writes what it can of what was appended, ends, and never throws. Idempotent. */
  async settle(): Promise<void> {
    this.#writeRun();
    await this.#writer.settle();
  }

  #writeRun(): void {
    if (this.#runBytes === 0) return;
    this.#writer.write(this.#run, this.#runBytes, this.#runPosition);
    this.#runPosition += this.#runBytes;
    this.#runBytes = 0;
    this.#run = this.#writer.emptyRun();
  }
}
