/**
 * The layer index: all that dray keeps of a layer's tar headers.
 *
 * One record of sixteen 32-bit words per entry and one heap of bytes. Names, link targets and xattrs
 * are bytes from end to end; JavaScript sees them as latin1 strings, so that no byte is lost and
 * string order is byte order. File contents are not here: `block` says where they start in the
 * layer data file, in units of 4096 bytes.
 *
 * | word | meaning |
 * |---|---|
 * | 0 | entry type, see `EntryType` |
 * | 1 | permission bits, 0 to 07777 |
 * | 2, 3 | uid, gid |
 * | 4, 5 | size in bytes, low and high half (files only) |
 * | 6, 7, 8 | mtime: seconds low and high half (two's complement), nanoseconds |
 * | 9 | first block in the layer data file (files with a size above 0) |
 * | 10, 11 | name: offset in the heap, length |
 * | 12, 13 | link target: offset, length; for devices: major, minor |
 * | 14, 15 | xattrs: offset, length |
 *
 * A name is relative, without `.` and `..` parts and without a leading or trailing `/`; the root is
 * the empty name. Hard link targets have the same form. Symlink targets are verbatim. A whiteout's
 * name is the path that it hides (without `.wh.`); an opaque entry's name is its directory.
 * Xattrs are a run of `u16 name length, u16 value length, name, value`, little endian.
 */
import { createHash } from 'node:crypto';
import { EngineError, quote } from '../errors.ts';

/** What an entry of a layer is. */
export const EntryType = {
  file: 1,
  hardlink: 2,
  symlink: 3,
  characterDevice: 4,
  blockDevice: 5,
  directory: 6,
  fifo: 7,
  whiteout: 8,
  opaque: 9,
} as const;
/** One of the values of `EntryType`. */
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** Bytes per block of a layer data file; file contents start on a block and are zero-padded to one. */
export const BLOCK_SIZE = 4096;

const WORDS = 16;

/** One extended attribute; the name is a latin1 string of its bytes, with its namespace prefix. */
export interface Xattr {
  readonly name: string;
  readonly value: Buffer;
}

/** One entry of a layer, as it is written to and read from a layer index. Strings are latin1. */
export interface LayerEntry {
  readonly type: EntryType;
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly block: number;
  /** Target of a symlink or hard link, else empty. */
  readonly link: string;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: readonly Xattr[];
}

/** All entries of one layer, in the order of the tar. Immutable. */
export class LayerIndex {
  readonly entryCount: number;
  /** Blocks of the layer data file. */
  readonly dataBlocks: number;
  readonly #words: Uint32Array;
  readonly #heap: Buffer;

  constructor(words: Uint32Array, heap: Buffer, dataBlocks: number) {
    this.#words = words;
    this.#heap = heap;
    this.entryCount = words.length / WORDS;
    this.dataBlocks = dataBlocks;
  }

  #word(entry: number, word: number): number {
    return this.#words[entry * WORDS + word] ?? 0;
  }

  #text(entry: number, word: number): string {
    const length = this.#word(entry, word + 1);
    if (length === 0) return '';
    const start = this.#word(entry, word);
    return this.#heap.toString('latin1', start, start + length);
  }

  type(entry: number): EntryType {
    return this.#word(entry, 0) as EntryType;
  }

  name(entry: number): string {
    return this.#text(entry, 10);
  }

  /** The whole entry; `type` and `name` alone are cheaper when that is all one needs. */
  entry(entry: number): LayerEntry {
    const type = this.type(entry);
    const isDevice = type === EntryType.characterDevice || type === EntryType.blockDevice;
    const xattrStart = this.#word(entry, 14);
    const xattrBytes = this.#word(entry, 15);
    return {
      type,
      name: this.name(entry),
      mode: this.#word(entry, 1),
      uid: this.#word(entry, 2),
      gid: this.#word(entry, 3),
      sizeBytes: joinHalves(this.#word(entry, 4), this.#word(entry, 5)),
      mtimeSeconds: joinHalves(this.#word(entry, 6), this.#word(entry, 7) | 0),
      mtimeNanoseconds: this.#word(entry, 8),
      block: this.#word(entry, 9),
      link: isDevice ? '' : this.#text(entry, 12),
      major: isDevice ? this.#word(entry, 12) : 0,
      minor: isDevice ? this.#word(entry, 13) : 0,
      // Most entries have none, and a view of nothing costs as much as the rest of the entry.
      xattrs:
        xattrBytes === 0
          ? NO_XATTRS
          : decodeXattrs(this.#heap.subarray(xattrStart, xattrStart + xattrBytes)),
    };
  }

  /** The bytes of the index file: deterministic, so that two indexes of one layer are equal. */
  encode(): Buffer {
    const body = Buffer.concat([
      Buffer.from(this.#words.buffer, this.#words.byteOffset, this.#words.byteLength),
      this.#heap,
    ]);
    const header = Buffer.alloc(HEADER_BYTES);
    header.write(MAGIC, 0, 'latin1');
    header.writeUInt32LE(this.entryCount, 8);
    header.writeUInt32LE(this.#heap.length, 12);
    header.writeUInt32LE(this.dataBlocks, 16);
    createHash('sha256').update(header.subarray(0, 32)).update(body).digest().copy(header, 32);
    return Buffer.concat([header, body]);
  }
}

/** Without arithmetic where there is none to do: its result would be a boxed double. */
function joinHalves(low: number, high: number): number {
  return high === 0 ? low : low + high * 2 ** 32;
}

const MAGIC = 'DRAYLIX1';
const HEADER_BYTES = 64;

/**
 * Reads the bytes of an index file.
 *
 * @param where names the file, for the error.
 * @throws EngineError `STORE_CORRUPT` when the checksum or a length does not fit.
 */
export function decodeLayerIndex(bytes: Buffer, where: string): LayerIndex {
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, 8) !== MAGIC) {
    throw corrupt(where, 'does not start like a layer index of this version');
  }
  const entryCount = bytes.readUInt32LE(8);
  const heapBytes = bytes.readUInt32LE(12);
  const expected = HEADER_BYTES + entryCount * WORDS * 4 + heapBytes;
  if (bytes.length !== expected) {
    throw corrupt(where, `has ${bytes.length} bytes where its header says ${expected}`);
  }
  const sum = createHash('sha256')
    .update(bytes.subarray(0, 32))
    .update(bytes.subarray(HEADER_BYTES))
    .digest();
  if (!sum.equals(bytes.subarray(32, 64))) throw corrupt(where, 'does not match its checksum');
  const words = new Uint32Array(entryCount * WORDS);
  const heapStart = HEADER_BYTES + words.byteLength;
  Buffer.from(words.buffer).set(bytes.subarray(HEADER_BYTES, heapStart));
  return new LayerIndex(words, bytes.subarray(heapStart), bytes.readUInt32LE(16));
}

/** Bytes of the first part of an index file, which says how long everything is. */
export const LAYER_INDEX_HEADER_BYTES = HEADER_BYTES;

/**
 * The lengths that the header of an index file states, without reading the rest; undefined when the
 * bytes are not such a header.
 */
export function layerFileSizes(
  header: Buffer,
): { readonly indexBytes: number; readonly dataBytes: number } | undefined {
  if (header.length < HEADER_BYTES || header.toString('latin1', 0, 8) !== MAGIC) return undefined;
  return {
    indexBytes: HEADER_BYTES + header.readUInt32LE(8) * WORDS * 4 + header.readUInt32LE(12),
    dataBytes: header.readUInt32LE(16) * BLOCK_SIZE,
  };
}

function corrupt(where: string, why: string): EngineError {
  return new EngineError('STORE_CORRUPT', `layer index ${quote(where)} ${why}`, {
    hint: 'Run "dray image verify" to rebuild it.',
  });
}

/** Collects the entries of one layer. */
export class LayerIndexBuilder {
  #words = new Uint32Array(WORDS * 1024);
  #heap = Buffer.allocUnsafe(64 * 1024);
  #entryCount = 0;
  #heapBytes = 0;

  /** How many entries were added. */
  get entryCount(): number {
    return this.#entryCount;
  }

  /** Adds one entry. Values must be in range: the parser has checked them. */
  add(entry: LayerEntry): void {
    const at = this.#entryCount * WORDS;
    if (at === this.#words.length) this.#growWords();
    const isDevice =
      entry.type === EntryType.characterDevice || entry.type === EntryType.blockDevice;
    const xattrs = encodeXattrs(entry.xattrs);
    const name = this.#push(Buffer.from(entry.name, 'latin1'));
    const link = isDevice ? entry.major : this.#push(Buffer.from(entry.link, 'latin1'));
    const xattr = this.#push(xattrs);
    this.#words.set(
      [
        entry.type,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.sizeBytes % 2 ** 32,
        Math.floor(entry.sizeBytes / 2 ** 32),
        entry.mtimeSeconds,
        Math.floor(entry.mtimeSeconds / 2 ** 32),
        entry.mtimeNanoseconds,
        entry.block,
        name,
        entry.name.length,
        link,
        isDevice ? entry.minor : entry.link.length,
        xattr,
        xattrs.length,
      ],
      at,
    );
    this.#entryCount += 1;
  }

  /** The finished index. `dataBlocks` is the length of the layer data file in blocks. */
  build(dataBlocks: number): LayerIndex {
    return new LayerIndex(
      this.#words.slice(0, this.#entryCount * WORDS),
      Buffer.from(this.#heap.subarray(0, this.#heapBytes)),
      dataBlocks,
    );
  }

  #growWords(): void {
    const larger = new Uint32Array(this.#words.length * 2);
    larger.set(this.#words);
    this.#words = larger;
  }

  #push(bytes: Buffer): number {
    const start = this.#heapBytes;
    if (start + bytes.length > this.#heap.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#heap.length * 2, start + bytes.length));
      this.#heap.copy(larger, 0, 0, start);
      this.#heap = larger;
    }
    bytes.copy(this.#heap, start);
    this.#heapBytes += bytes.length;
    return start;
  }
}

const NO_BYTES = Buffer.alloc(0);
const NO_XATTRS: readonly Xattr[] = [];

function encodeXattrs(xattrs: readonly Xattr[]): Buffer {
  if (xattrs.length === 0) return NO_BYTES;
  const parts: Buffer[] = [];
  for (const { name, value } of xattrs) {
    const lengths = Buffer.alloc(4);
    lengths.writeUInt16LE(name.length, 0);
    lengths.writeUInt16LE(value.length, 2);
    parts.push(lengths, Buffer.from(name, 'latin1'), value);
  }
  return Buffer.concat(parts);
}

function decodeXattrs(bytes: Buffer): readonly Xattr[] {
  if (bytes.length === 0) return NO_XATTRS;
  const xattrs: Xattr[] = [];
  let at = 0;
  while (at < bytes.length) {
    const nameEnd = at + 4 + bytes.readUInt16LE(at);
    const valueEnd = nameEnd + bytes.readUInt16LE(at + 2);
    xattrs.push({
      name: bytes.toString('latin1', at + 4, nameEnd),
      value: bytes.subarray(nameEnd, valueEnd),
    });
    at = valueEnd;
  }
  return xattrs;
}
