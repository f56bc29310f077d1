/**
 * Where the frames of a zstd stream begin and end (RFC 8878, section 3).
 *
 *     frame     = 28 b5 2f fd, descriptor, rest of its header, blocks, [4 bytes of checksum]
 *     block     = 3 bytes: last (1 bit), type (2 bits), size (21 bits); contents
 *     skippable = 5x 2a 4d 18, 4 bytes of size, contents
 *
 * Node's inflater ends quietly before what is no frame, where its gzip one fails. So frames are
 * followed here by their lengths, without looking into them; what is in them is the inflater's to
 * judge. Zeros behind the last frame are padding, as behind gzip.
 */
import { invalidLayer } from './layer-error.ts';

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const MAGIC_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
const RLE_BLOCK = 1;

/** Follows the bytes of a zstd stream and refuses what is neither a frame nor padding. */
export class ZstdFrames {
  /** The bytes of the field that is being read; shorter than `#wanted` until it is complete. */
  readonly #field = Buffer.alloc(MAGIC_BYTES);
  #filled = 0;
  #wanted = MAGIC_BYTES;
  #readField: (field: Buffer) => void = (field) => this.#readMagic(field);
  /** Bytes to pass over before that field. */
  #skip = 0;
  #isMagicNext = true;
  #hasChecksum = false;
  #isPadding = false;
  #position = 0;

  /** Takes the next bytes; it does not keep them. @throws EngineError `LAYER_INVALID` */
  take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#isPadding || (this.#isBetweenFrames && bytes[at] === 0)) {
        this.#isPadding = true;
        if (bytes[at] !== 0) throw this.#garbage(at);
        at += 1;
      } else if (this.#skip > 0) {
        const count = Math.min(this.#skip, bytes.length - at);
        this.#skip -= count;
        at += count;
      } else {
        const count = bytes.copy(this.#field, this.#filled, at, at + this.#wanted - this.#filled);
        this.#filled += count;
        at += count;
        if (this.#filled === this.#wanted) this.#advance(at);
      }
    }
    this.#position += bytes.length;
  }

  /** Says that there are no more bytes; a frame that is cut is the inflater's to refuse. @throws EngineError `LAYER_INVALID` */
  end(): void {
    if (this.#isMagicNext && this.#filled > 0) throw this.#garbage(0);
  }

  get #isBetweenFrames(): boolean {
    return this.#isMagicNext && this.#filled === 0 && this.#skip === 0;
  }

  #advance(at: number): void {
    this.#filled = 0;
    const isMagic = this.#isMagicNext;
    this.#isMagicNext = false;
    if (isMagic && !isAnyMagic(this.#field)) throw this.#garbage(at - MAGIC_BYTES);
    this.#readField(this.#field);
  }

  #want(bytes: number, read: (field: Buffer) => void): void {
    this.#wanted = bytes;
    this.#readField = read;
  }

  #beginFrame(): void {
    this.#isMagicNext = true;
    this.#want(MAGIC_BYTES, (field) => this.#readMagic(field));
  }

  #readMagic(field: Buffer): void {
    if (field.readUInt32LE(0) === FRAME_MAGIC) this.#want(1, (next) => this.#readDescriptor(next));
    else this.#want(4, (next) => this.#readSkippableSize(next));
  }

  #readSkippableSize(field: Buffer): void {
    this.#skip = field.readUInt32LE(0);
    this.#beginFrame();
  }

  #readDescriptor(field: Buffer): void {
    const descriptor = field.readUInt8(0);
    const isSingleSegment = (descriptor & 0x20) !== 0;
    this.#hasChecksum = (descriptor & 0x04) !== 0;
    const windowBytes = isSingleSegment ? 0 : 1;
    const dictionaryBytes = [0, 1, 2, 4][descriptor & 0x03] ?? 0;
    const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
    this.#skip = windowBytes + dictionaryBytes + contentSizeBytes;
    this.#want(BLOCK_HEADER_BYTES, (next) => this.#readBlock(next));
  }

  #readBlock(field: Buffer): void {
    const header = field.readUIntLE(0, BLOCK_HEADER_BYTES);
    const isLast = (header & 1) !== 0;
    const type = (header >> 1) & 3;
    this.#skip = type === RLE_BLOCK ? 1 : header >> 3;
    if (!isLast) return;
    if (this.#hasChecksum) this.#skip += 4;
    this.#beginFrame();
  }

  #garbage(at: number): Error {
    const position = this.#position + at;
    return invalidLayer(
      `its zstd data cannot be inflated: what follows its frames near byte ${position} is neither a frame nor zeros`,
    );
  }
}

function isAnyMagic(field: Buffer): boolean {
  const magic = field.readUInt32LE(0);
  return magic === FRAME_MAGIC || (magic & 0xfffffff0) === SKIPPABLE_MAGIC;
}
