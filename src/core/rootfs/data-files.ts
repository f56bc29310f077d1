/** Reading file contents out of layer data files. */
import { closeSync, openSync, readSync } from 'node:fs';
import { EngineError, quote } from '../errors.ts';
import { BLOCK_SIZE } from '../oci/layer-index.ts';
import type { FileNode } from './tree.ts';

/** Where bytes go: `into.buffer` from `into.offset` on, at most `into.length`. */
export interface ReadTarget {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly length: number;
}

/** The layer data files of a tree, each opened when first needed; disposing closes them. */
export class DataFiles implements Disposable {
  readonly #pathOf: (layer: number) => string;
  readonly #descriptors = new Map<number, number>();

  constructor(pathOf: (layer: number) => string) {
    this.#pathOf = pathOf;
  }

  /**
   * Reads part of a file, from `position` in it on, and gives how many bytes came: 1 or more.
   *
   * @throws EngineError `STORE_CORRUPT` when the data file ends before the file does.
   */
  read(file: FileNode, position: number, into: ReadTarget): number {
    const length = Math.min(into.length, file.sizeBytes - position);
    const start = file.block * BLOCK_SIZE + position;
    const count = readSync(this.#open(file.layer), into.buffer, into.offset, length, start);
    if (count > 0) return count;
    const path = this.#pathOf(file.layer);
    throw new EngineError(
      'STORE_CORRUPT',
      `layer data file ${quote(path)} ends at or before byte ${start}, inside a file that its index places there`,
      { hint: 'Run "dray image verify" to rebuild the layer.' },
    );
  }

  #open(layer: number): number {
    const known = this.#descriptors.get(layer);
    if (known !== undefined) return known;
    const descriptor = openSync(this.#pathOf(layer), 'r');
    this.#descriptors.set(layer, descriptor);
    return descriptor;
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }
}
