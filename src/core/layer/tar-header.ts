/**
 * One 512-byte tar header, as POSIX ustar, GNU tar, star and Unix V7 write it.
 *
 * | bytes | field | bytes | field |
 * |---|---|---|---|
 * | 0, 100 | name | 257, 8 | magic and version |
 * | 100, 8 | mode | 329, 8 | major |
 * | 108, 8 | uid | 337, 8 | minor |
 * | 116, 8 | gid | 345, 155 | prefix of the name (ustar; star: 131 bytes) |
 * | 124, 12 | size | 345, 12 | atime (GNU) |
 * | 136, 12 | mtime | 386, 126 | sparse map (GNU, see `sparse.ts`) |
 * | 148, 8 | checksum | 508, 4 | `tar` and a NUL (star) |
 * | 156, 1 | type flag | | |
 * | 157, 100 | link target | | |
 */
import { invalidLayer } from './layer-error.ts';

/** Bytes of a tar block. */
export const TAR_BLOCK = 512;

const ZEROS = Buffer.alloc(TAR_BLOCK);

/** The fields of a header, as they stand. Strings are latin1 and end before the first NUL. */
export interface TarHeader {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  /** One latin1 character. */
  readonly typeFlag: string;
  readonly link: string;
  readonly major: number;
  readonly minor: number;
}

/** Whether the 512 bytes of `block` are zero. */
export function isZeroBlock(block: Buffer): boolean {
  return block[0] === 0 && ZEROS.equals(block);
}

/**
 * Reads the header in the 512 bytes of `block`.
 *
 * @param at offset of the block in the tar, for errors.
 * @throws EngineError `LAYER_INVALID` when the checksum or a number is wrong.
 */
export function parseTarHeader(block: Buffer, at: number): TarHeader {
  checkSum(block, at);
  const name = text(block, 0, 100);
  const prefix = namePrefix(block);
  const typeFlag = String.fromCharCode(block[156] ?? 0);
  const isDevice = typeFlag === '3' || typeFlag === '4';
  const field = (offset: number, length: number, what: string) =>
    tarNumber(
      block.subarray(offset, offset + length),
      `the ${what} in the tar header at byte ${at}`,
    );
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: field(100, 8, 'mode'),
    uid: field(108, 8, 'uid'),
    gid: field(116, 8, 'gid'),
    sizeBytes: field(124, 12, 'size'),
    mtimeSeconds: field(136, 12, 'mtime'),
    typeFlag,
    link: text(block, 157, 100),
    major: isDevice ? field(329, 8, 'major') : 0,
    minor: isDevice ? field(337, 8, 'minor') : 0,
  };
}

// Old tars summed signed bytes; both sums are accepted, as POSIX recommends.
function checkSum(block: Buffer, at: number): void {
  const expected = tarNumber(
    block.subarray(148, 156),
    `the checksum of the tar header at byte ${at}`,
  );
  if (sumOf(block) !== expected && sumOf(new Int8Array(block)) !== expected) {
    throw invalidLayer(`the tar header at byte ${at} does not match its checksum`);
  }
}

function sumOf(bytes: Buffer | Int8Array): number {
  let sum = 8 * 0x20;
  for (let index = 0; index < 148; index += 1) sum += bytes[index] ?? 0;
  for (let index = 156; index < TAR_BLOCK; index += 1) sum += bytes[index] ?? 0;
  return sum;
}

/** The latin1 text of a field, up to its first NUL. */
function text(block: Buffer, start: number, length: number): string {
  const limit = start + length;
  let end = start;
  while (end < limit && block[end] !== 0) end += 1;
  return end === start ? '' : block.toString('latin1', start, end);
}

function namePrefix(block: Buffer): string {
  if (block[345] === 0) return '';
  const magic = block.toString('latin1', 257, 265);
  if (magic.startsWith('ustar\0')) {
    const isStar = block.toString('latin1', 508, 512) === 'tar\0';
    return text(block, 345, isStar ? 131 : 155);
  }
  // GNU headers have times there, but writers before Go 1.8 put a prefix (golang/go issue 12594).
  const isPrefix = magic === 'ustar  \0' && !isTarNumber(block.subarray(345, 357));
  return isPrefix ? text(block, 345, 155) : '';
}

function isTarNumber(field: Buffer): boolean {
  return (
    ((field[0] ?? 0) & 0x80) !== 0 || /^[ \0]*[0-7]*(?:[ \0]|$)/.test(field.toString('latin1'))
  );
}

/**
 * A numeric field: octal digits between blanks or NULs, or GNU base-256 (two's complement, big
 * endian, the top bit of the first byte set). An empty field is 0. Beyond 2^53 the result is rounded.
 *
 * @param what names the field for the error.
 * @throws EngineError `LAYER_INVALID`
 */
export function tarNumber(field: Buffer, what: string): number {
  const first = field[0] ?? 0;
  if ((first & 0x80) !== 0) return base256(field, first);
  let at = 0;
  while (field[at] === 0x20 || field[at] === 0) at += 1;
  let value = 0;
  for (; at < field.length; at += 1) {
    const byte = field[at] ?? 0;
    if (byte === 0 || byte === 0x20) break;
    if (byte < 0x30 || byte > 0x37) throw invalidLayer(`${what} is not a number`);
    value = value * 8 + byte - 0x30;
  }
  return value;
}

function base256(field: Buffer, first: number): number {
  let value = (first & 0x40) === 0 ? first & 0x3f : (first & 0x7f) - 0x80;
  for (let at = 1; at < field.length; at += 1) value = value * 256 + (field[at] ?? 0);
  return value;
}
