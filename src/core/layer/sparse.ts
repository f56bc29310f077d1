/**
 * Sparse files in tars (GNU tar manual, "Storing Sparse Files"): a map says where the stored bytes
 * belong. dray writes the file as it was, so that nothing after the parser knows of maps.
 *
 * | format | where the map is |
 * |---|---|
 * | old GNU, type `S` | four extents in the header, then blocks of 21 |
 * | PAX 0.0 | repeated records `GNU.sparse.offset` and `GNU.sparse.numbytes` |
 * | PAX 0.1 | record `GNU.sparse.map`, comma-separated |
 * | PAX 1.0 | decimal lines in front of the contents, padded to a block |
 */
import { invalidLayer, rejectedEntry } from './layer-error.ts';
import { type PaxRecords, parseDecimal } from './pax.ts';
import { tarNumber } from './tar-header.ts';

/** A run of stored bytes. */
export interface SparseExtent {
  readonly offset: number;
  readonly length: number;
}

/** A sparse file: its extents in order, and its whole size with the holes. */
export interface SparseMap {
  readonly extents: readonly SparseExtent[];
  readonly sizeBytes: number;
}

/** What the PAX records of an entry say about sparseness. */
export interface PaxSparse {
  /** The name of the file; the entry's own name is then an artificial one. */
  readonly name: string | undefined;
  readonly sizeBytes: number;
  /** Absent when the map stands in front of the contents (format 1.0). */
  readonly extents: readonly SparseExtent[] | undefined;
}

/** How many bytes a map may take in the tar, as for every other header. */
export const LARGEST_SPARSE_MAP = 1024 * 1024;

/**
 * Checks that a map is in order, lies within the file, and accounts for every stored byte.
 *
 * @throws EngineError `LAYER_ENTRY_REJECTED`
 */
export function checkedSparseMap(
  map: SparseMap,
  storedBytes: number,
  entryName: string,
): SparseMap {
  if (!(map.sizeBytes >= 0 && Number.isSafeInteger(map.sizeBytes))) {
    throw rejectedEntry(entryName, `has a size of ${map.sizeBytes} bytes`);
  }
  let end = 0;
  let total = 0;
  for (const { offset, length } of map.extents) {
    if (offset < end || offset + length > map.sizeBytes || offset < 0 || length < 0) {
      throw rejectedEntry(entryName, 'has a sparse map that is not in order within the file');
    }
    end = offset + length;
    total += length;
  }
  if (total !== storedBytes) {
    throw rejectedEntry(
      entryName,
      `has ${storedBytes} stored bytes where its sparse map counts ${total}`,
    );
  }
  return map;
}

/** The extents in an old GNU header, and whether a block with more of them follows it. */
export function oldSparseHeader(block: Buffer): {
  readonly extents: readonly SparseExtent[];
  readonly sizeBytes: number;
  readonly hasMore: boolean;
} {
  return {
    extents: oldExtents(block.subarray(386, 482)),
    sizeBytes: tarNumber(block.subarray(483, 495), 'the size of a sparse file'),
    hasMore: block[482] !== 0,
  };
}

/** The extents in a block that follows an old GNU header, and whether another one follows. */
export function oldSparseExtension(block: Buffer): {
  readonly extents: readonly SparseExtent[];
  readonly hasMore: boolean;
} {
  return { extents: oldExtents(block.subarray(0, 504)), hasMore: block[504] !== 0 };
}

function oldExtents(bytes: Buffer): SparseExtent[] {
  const extents: SparseExtent[] = [];
  // A table that is not full ends with an empty slot.
  for (let at = 0; at < bytes.length && bytes[at] !== 0; at += 24) {
    extents.push({
      offset: tarNumber(bytes.subarray(at, at + 12), 'an offset in a sparse map'),
      length: tarNumber(bytes.subarray(at + 12, at + 24), 'a length in a sparse map'),
    });
  }
  return extents;
}

/**
 * Reads the `GNU.sparse.*` records of an entry; undefined when it has none.
 *
 * @throws EngineError `LAYER_INVALID` for an unknown format or a malformed map.
 */
export function paxSparse(records: PaxRecords['sparse']): PaxSparse | undefined {
  if (records.length === 0) return undefined;
  const values = new Map(records);
  const version = `${values.get('major') ?? '0'}.${values.get('minor') ?? '0'}`;
  const isInContents = version === '1.0';
  if (!isInContents && version !== '0.0' && version !== '0.1') {
    throw invalidLayer(`a sparse file has the unknown format ${version.slice(0, 40)}`);
  }
  return {
    name: values.get('name'),
    sizeBytes: sparseNumber(values.get('realsize') ?? values.get('size')),
    extents: isInContents ? undefined : recordedExtents(records, values.get('map')),
  };
}

function recordedExtents(records: PaxRecords['sparse'], map: string | undefined): SparseExtent[] {
  const numbers =
    map === undefined
      ? records.filter(([key]) => key === 'offset' || key === 'numbytes').map(([, value]) => value)
      : map.split(',').filter((text) => text !== '');
  return pairs(numbers.map(sparseNumber));
}

function pairs(numbers: readonly number[]): SparseExtent[] {
  if (numbers.length % 2 !== 0) throw invalidLayer('a sparse map ends in the middle of an extent');
  const extents: SparseExtent[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    extents.push({ offset: numbers[at] ?? 0, length: numbers[at + 1] ?? 0 });
  }
  return extents;
}

function sparseNumber(text: string | undefined): number {
  const number = parseDecimal(text ?? '');
  if (number === undefined) throw invalidLayer('a sparse file has a map or size that is no number');
  return number;
}

/** Collects the map of a PAX 1.0 file, block by block, from the front of its contents. */
export class SparseMapReader {
  #text = '';
  #blockBytes = 0;
  readonly #numbers: number[] = [];

  /** Bytes of the map so far, with its padding. */
  get blockBytes(): number {
    return this.#blockBytes;
  }

  /**
   * Takes the next block; returns the extents when it was the last one.
   *
   * @throws EngineError `LAYER_INVALID` for a map that is malformed or too long.
   */
  take(block: Buffer): readonly SparseExtent[] | undefined {
    this.#blockBytes += block.length;
    if (this.#blockBytes > LARGEST_SPARSE_MAP) throw tooLongMap();
    const lines = (this.#text + block.toString('latin1')).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      this.#numbers.push(sparseNumber(line));
      if (this.#isComplete()) return pairs(this.#numbers.slice(1));
    }
    if (this.#text.length > 20) throw invalidLayer('a sparse map has a line that is no number');
    return undefined;
  }

  #isComplete(): boolean {
    const [count = 0] = this.#numbers;
    return this.#numbers.length === 1 + 2 * count;
  }
}

/** Why a map over `LARGEST_SPARSE_MAP` is refused. */
export function tooLongMap(): Error {
  return invalidLayer(`a sparse map takes more than ${LARGEST_SPARSE_MAP} bytes`);
}

/** Receives the contents of a file from front to back. */
export interface ContentSink {
  content(bytes: Buffer): void;
  hole(lengthBytes: number): void;
}

/** Puts the holes back between the stored bytes of a sparse file. */
export class SparseExpander {
  readonly #map: SparseMap;
  readonly #sink: ContentSink;
  #extent = 0;
  #usedOfExtent = 0;
  #position = 0;

  /** @param map a checked map, see `checkedSparseMap`. */
  constructor(map: SparseMap, sink: ContentSink) {
    this.#map = map;
    this.#sink = sink;
  }

  /** Takes the next stored bytes; there are never more than the map has. */
  take(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      const extent = this.#map.extents[this.#extent];
      if (extent === undefined) return;
      const length = Math.min(extent.length - this.#usedOfExtent, bytes.length - at);
      if (length > 0) {
        this.#holeUpTo(extent.offset + this.#usedOfExtent);
        this.#sink.content(bytes.subarray(at, at + length));
        this.#position += length;
      }
      at += length;
      this.#usedOfExtent += length;
      if (this.#usedOfExtent === extent.length) {
        this.#extent += 1;
        this.#usedOfExtent = 0;
      }
    }
  }

  /** Ends the file: whatever is left of its size is a hole. */
  end(): void {
    this.#holeUpTo(this.#map.sizeBytes);
  }

  #holeUpTo(position: number): void {
    if (position > this.#position) this.#sink.hole(position - this.#position);
    this.#position = Math.max(position, this.#position);
  }
}
