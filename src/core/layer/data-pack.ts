/**
 * Lays out a layer data file: every file's bytes start on a block and are zero-padded to one, so
 * that EROFS can point at them. Writes go out in large runs, whatever the sizes of the files; a run
 * of nothing but zeros is left out and becomes a hole.
 */
import { RUN_BYTES } from '../host/file-writer.ts';
import { BLOCK_SIZE } from '../oci/layer-index.ts';
import type { LayerDataSink } from './data-sink.ts';
import { invalidLayer } from './layer-error.ts';

const ZEROS = Buffer.alloc(RUN_BYTES);

/** Packs file contents for one sink. Holds no resource but memory. */
export class DataPack {
  readonly #sink: LayerDataSink;
  readonly #maxBytes: number;
  #run: Buffer;
  #runBytes = 0;
  /** Where `#run` belongs in the file. */
  #runPosition = 0;

  /** @param maxBytes how long the file may become, holes included. */
  constructor(sink: LayerDataSink, maxBytes: number) {
    this.#sink = sink;
    this.#run = sink.emptyRun();
    this.#maxBytes = maxBytes;
  }

  /** The block at which the next file starts; all before it is padded. */
  nextBlock(): number {
    this.#padToBlock();
    return (this.#runPosition + this.#runBytes) / BLOCK_SIZE;
  }

  /**
   * Appends bytes.
   *
   * @throws EngineError `LAYER_INVALID` when the file becomes too long, and what the sink throws.
   */
  append(bytes: Buffer): void {
    this.#checkLength(bytes.length);
    for (let at = 0; at < bytes.length; ) {
      const copied = bytes.copy(this.#run, this.#runBytes, at);
      at += copied;
      this.#runBytes += copied;
      if (this.#runBytes === RUN_BYTES) this.#flush();
    }
  }

  /** Appends zeros; costs nothing but address space for whole blocks. Throws as `append` does. */
  appendHole(length: number): void {
    this.#checkLength(length);
    const inRun = Math.min(length, RUN_BYTES - this.#runBytes);
    this.#run.fill(0, this.#runBytes, this.#runBytes + inRun);
    this.#runBytes += inRun;
    if (this.#runBytes < RUN_BYTES) return;
    this.#flush();
    const rest = length - inRun;
    this.#runBytes = rest % BLOCK_SIZE;
    this.#runPosition += rest - this.#runBytes;
    this.#run.fill(0, 0, this.#runBytes);
  }

  /** Writes what is left and ends the sink; returns the length of the file in blocks. */
  finish(): number {
    const blocks = this.nextBlock();
    this.#flush();
    this.#sink.end(blocks * BLOCK_SIZE);
    return blocks;
  }

  #padToBlock(): void {
    const end = Math.ceil(this.#runBytes / BLOCK_SIZE) * BLOCK_SIZE;
    this.#run.fill(0, this.#runBytes, end);
    this.#runBytes = end;
    if (end === RUN_BYTES) this.#flush();
  }

  #flush(): void {
    const length = this.#runBytes;
    if (ZEROS.compare(this.#run, 0, length, 0, length) !== 0) {
      this.#sink.write(this.#run, length, this.#runPosition);
      this.#run = this.#sink.emptyRun();
    }
    this.#runPosition += length;
    this.#runBytes = 0;
  }

  #checkLength(more: number): void {
    if (this.#runPosition + this.#runBytes + more > this.#maxBytes) {
      throw invalidLayer(`the files of the layer take more than ${this.#maxBytes} bytes`);
    }
  }
}
