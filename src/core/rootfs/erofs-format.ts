/**
 * The on-disk format of EROFS, as far as dray writes it (Linux `fs/erofs/erofs_fs.h`).
 *
 * All numbers are little endian, and so are the hosts that dray runs on: the writer stores words
 * through typed arrays. Block size is 4096. An inode's number (nid) is its byte offset divided by
 * 32, since the metadata area starts at block 0.
 *
 * ```
 * 0     zero
 * 1024  superblock, 128 bytes
 * 1152  device slots, 128 bytes each
 *       inodes, each with its xattrs and then its chunk index or inline tail
 *       blocks of directories and long symlinks
 * ```
 */
import { BLOCK_SIZE, EntryType } from '../oci/layer-index.ts';

export const BLOCK_BITS = 12;
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_MAGIC = 0xe0f5e1e2;
export const DEVICE_SLOT_BYTES = 128;
/** The first device slot, in units of a slot: right behind the superblock. */
export const FIRST_DEVICE_SLOT = 9;
export const INODE_SLOT_BYTES = 32;
/** Always the extended form: 32-bit owners, nanoseconds, 64-bit sizes. */
export const INODE_BYTES = 64;
export const CHUNK_INDEX_BYTES = 8;
export const DIRENT_BYTES = 12;

/** Regular files are made of chunks. */
export const INCOMPAT_CHUNKED_FILE = 0x4;
/** Chunks are on extra devices. */
export const INCOMPAT_DEVICE_TABLE = 0x8;

/** The root's nid is a 16-bit field, so the root must start below this offset. */
export const ROOT_OFFSET_LIMIT = 0x10000 * INODE_SLOT_BYTES;
/** Block numbers are 32 bits wide; the last one means "none". */
export const MOST_BLOCKS = 0xffffffff;
/** Widest chunk: 4096 bytes shifted by this. */
export const MOST_CHUNK_BITS = 31;
/** In a chunk's format word: chunks have an 8-byte index that names the device. */
export const CHUNK_FORMAT_INDEXES = 0x20;
export const NO_BLOCK = 0xffffffff;

/** Where an inode's data is (bits 1 to 3 of its format word). */
export const DataLayout = { plain: 0, inlineTail: 2, chunks: 4 } as const;

/** File types in directory entries. */
export const direntType = (type: EntryType): number => DIRENT_TYPES[type] ?? 0;
const DIRENT_TYPES: Readonly<Record<number, number>> = {
  [EntryType.file]: 1,
  [EntryType.directory]: 2,
  [EntryType.characterDevice]: 3,
  [EntryType.blockDevice]: 4,
  [EntryType.fifo]: 5,
  [EntryType.symlink]: 7,
};

/** `S_IFMT` bits of `st_mode`. */
export const formatBits = (type: EntryType): number => FORMAT_BITS[type] ?? 0;
const FORMAT_BITS: Readonly<Record<number, number>> = {
  [EntryType.file]: 0o100000,
  [EntryType.directory]: 0o040000,
  [EntryType.characterDevice]: 0o020000,
  [EntryType.blockDevice]: 0o060000,
  [EntryType.fifo]: 0o010000,
  [EntryType.symlink]: 0o120000,
};

/** A device number as the kernel's `new_encode_dev` packs it. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** `offset` rounded up to a multiple of `unit`, which is a power of two. */
export function alignUp(offset: number, unit: number): number {
  // Not bit operations: offsets may pass 2^31.
  const over = offset % unit;
  return over === 0 ? offset : offset + unit - over;
}

/** How many blocks hold `bytes`. */
export function blocksOf(bytes: number): number {
  return Math.ceil(bytes / BLOCK_SIZE);
}
