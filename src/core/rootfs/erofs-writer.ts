/**
 * Writes a tree as an EROFS metadata image whose regular files point into the layer data files.
 *
 * The image holds no file contents: each file that is not empty is one chunk on the device that its
 * layer's data file is mounted as. A pure function: equal trees give equal bytes, so that an image
 * can be verified by writing it again.
 */
import { EngineError } from '../errors.ts';
import { BLOCK_SIZE, EntryType } from '../oci/layer-index.ts';
import {
  alignUp,
  BLOCK_BITS,
  blocksOf,
  CHUNK_FORMAT_INDEXES,
  CHUNK_INDEX_BYTES,
  DataLayout,
  DEVICE_SLOT_BYTES,
  DIRENT_BYTES,
  direntType,
  encodeDevice,
  FIRST_DEVICE_SLOT,
  formatBits,
  INCOMPAT_CHUNKED_FILE,
  INCOMPAT_DEVICE_TABLE,
  INODE_BYTES,
  INODE_SLOT_BYTES,
  MOST_BLOCKS,
  MOST_CHUNK_BITS,
  NO_BLOCK,
  ROOT_OFFSET_LIMIT,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
} from './erofs-format.ts';
import {
  type DirectoryListing,
  describe,
  type ImageLayout,
  type InodeTable,
  numberInodes,
  placeInodes,
  xattrAreaOf,
} from './erofs-layout.ts';
import { xattrCountField } from './erofs-xattrs.ts';
import type { DirectoryNode, FileNode, RootfsNode, RootfsTree } from './tree.ts';

/** A layer data file that the image points into. */
export interface ErofsDevice {
  /** Index of the layer, lowest layer 0. */
  readonly layer: number;
  /** Length of its data file in blocks of 4096 bytes. */
  readonly blocks: number;
}

/** Options of `encodeErofs`. */
export interface ErofsOptions {
  /** The layers that `rootfsDevices` gives, in its order: the order of the `device` mount options. */
  readonly devices: readonly ErofsDevice[];
  /** 16 bytes that identify the file system. */
  readonly uuid: Buffer;
}

/**
 * The layers whose data files the tree still points into, lowest first. Their data files are the
 * devices of the EROFS image, in this order; a layer all of whose files are empty or hidden is not
 * among them, so that no data file is opened for nothing.
 */
export function rootfsDevices(tree: RootfsTree): number[] {
  const layers = new Set<number>();
  const pending: DirectoryNode[] = [tree.root];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const node of directory.children.values()) {
      if (node.type === EntryType.directory) pending.push(node);
      else if (node.type === EntryType.file && node.sizeBytes > 0) layers.add(node.layer);
    }
  }
  return [...layers].sort((a, b) => a - b);
}

/** An image while it is being written: one buffer, seen in three widths, and what goes into it. */
interface Draft {
  readonly bytes: Buffer;
  readonly halves: Uint16Array;
  readonly words: Uint32Array;
  readonly tree: RootfsTree;
  readonly table: InodeTable;
  readonly layout: ImageLayout;
  readonly devices: readonly ErofsDevice[];
  /** The 1-based device of each layer. */
  readonly deviceIds: ReadonlyMap<number, number>;
}

/**
 * The bytes of the metadata image of `tree`: a whole number of 4096-byte blocks.
 *
 * @throws EngineError `LAYER_ENTRY_REJECTED` when the tree holds what EROFS cannot, naming the path;
 * `STORE_CORRUPT` when a file lies beyond the end of its data file.
 */
export function encodeErofs(tree: RootfsTree, options: ErofsOptions): Buffer {
  const { devices, uuid } = options;
  const table = numberInodes(tree);
  const layout = placeInodes(table, (FIRST_DEVICE_SLOT + devices.length) * DEVICE_SLOT_BYTES);
  checkLimits(layout, devices);
  const buffer = new ArrayBuffer(layout.totalBlocks * BLOCK_SIZE);
  const draft: Draft = {
    bytes: Buffer.from(buffer),
    halves: new Uint16Array(buffer),
    words: new Uint32Array(buffer),
    tree,
    table,
    layout,
    devices,
    deviceIds: new Map(devices.map((device, i) => [device.layer, i + 1])),
  };
  writeSuperblock(draft, uuid);
  writeDeviceSlots(draft);
  writeInodes(draft);
  return draft.bytes;
}

function checkLimits(layout: ImageLayout, devices: readonly ErofsDevice[]): void {
  let blocks = layout.totalBlocks;
  for (const device of devices) blocks += device.blocks;
  if (blocks >= MOST_BLOCKS || (layout.offsets[0] ?? 0) >= ROOT_OFFSET_LIMIT) {
    throw new EngineError(
      'LAYER_ENTRY_REJECTED',
      `the image needs ${blocks} blocks on ${devices.length} devices, more than EROFS can address`,
    );
  }
}

function writeSuperblock(draft: Draft, uuid: Buffer): void {
  const { bytes, table, layout, devices } = draft;
  const at = SUPERBLOCK_OFFSET;
  const hasDevices = devices.length > 0;
  bytes.writeUInt32LE(SUPERBLOCK_MAGIC, at);
  bytes.writeUInt8(BLOCK_BITS, at + 12);
  bytes.writeUInt16LE((layout.offsets[0] ?? 0) / INODE_SLOT_BYTES, at + 14);
  bytes.writeBigUInt64LE(BigInt(table.nodes.length), at + 16);
  bytes.writeUInt32LE(layout.totalBlocks, at + 36);
  uuid.copy(bytes, at + 48, 0, 16);
  bytes.writeUInt32LE(INCOMPAT_CHUNKED_FILE | (hasDevices ? INCOMPAT_DEVICE_TABLE : 0), at + 80);
  bytes.writeUInt16LE(devices.length, at + 86);
  bytes.writeUInt16LE(hasDevices ? FIRST_DEVICE_SLOT : 0, at + 88);
}

/**
 * Start addresses lie past the end of the metadata image. When the devices are forgotten at mount
 * time the kernel reads the primary file at those addresses, which then fails with EIO where it
 * would otherwise show metadata as file contents.
 */
function writeDeviceSlots(draft: Draft): void {
  let start = draft.layout.totalBlocks;
  for (const [i, { blocks }] of draft.devices.entries()) {
    const at = (FIRST_DEVICE_SLOT + i) * DEVICE_SLOT_BYTES;
    draft.bytes.writeUInt32LE(blocks, at + 64);
    draft.bytes.writeUInt32LE(start, at + 68);
    start += blocks;
  }
}

function writeInodes(draft: Draft): void {
  const { table, layout } = draft;
  let directory = 0;
  for (let ordinal = 0; ordinal < table.nodes.length; ordinal += 1) {
    const node = table.nodes[ordinal];
    if (node === undefined) break;
    const offset = layout.offsets[ordinal] ?? 0;
    const area = xattrAreaOf(table, node);
    area?.copy(draft.bytes, offset + INODE_BYTES);
    writeCommonFields(draft, node, ordinal);
    draft.halves[offset / 2 + 1] = xattrCountField(area?.length ?? 0);
    if (node.type === EntryType.file) {
      writeFile(draft, node, offset);
    } else if (node.type === EntryType.directory) {
      const listing = table.directories[directory];
      directory += 1;
      if (listing !== undefined) writeDirectory(draft, listing, ordinal);
    } else if (node.type === EntryType.symlink) {
      const start = writeDataFields(draft, ordinal, node.target.length);
      writeLatin1(
        draft.bytes,
        node.target,
        hasTail(draft, ordinal) ? tailOf(draft, ordinal) : start,
      );
    } else if (node.type !== EntryType.fifo) {
      draft.words[offset / 4 + 4] = encodeDevice(node.major, node.minor);
    }
  }
}

function writeCommonFields(draft: Draft, node: RootfsNode, ordinal: number): void {
  const { halves, words, layout, table } = draft;
  const offset = layout.offsets[ordinal] ?? 0;
  const word = offset / 4;
  const isChunked = node.type === EntryType.file && node.sizeBytes > 0;
  const inlineOrPlain = hasTail(draft, ordinal) ? DataLayout.inlineTail : DataLayout.plain;
  halves[offset / 2] = 1 | ((isChunked ? DataLayout.chunks : inlineOrPlain) << 1);
  // Tar carries other modes for symlinks; Linux knows only this one.
  const permissions = node.type === EntryType.symlink ? 0o777 : node.mode;
  halves[offset / 2 + 2] = formatBits(node.type) | permissions;
  words[word + 5] = ordinal + 1;
  words[word + 6] = node.uid;
  words[word + 7] = node.gid;
  words[word + 8] = node.mtimeSeconds;
  words[word + 9] = Math.floor(node.mtimeSeconds / 2 ** 32);
  words[word + 10] = node.mtimeNanoseconds;
  words[word + 11] = table.linkCounts[ordinal] ?? 1;
}

/** Whether the last part of the inode's data follows the inode. */
function hasTail(draft: Draft, ordinal: number): boolean {
  return draft.layout.hasInlineTail[ordinal] === 1;
}

/** Where the tail, or the chunk index, of an inode starts. */
function tailOf(draft: Draft, ordinal: number): number {
  const node = draft.table.nodes[ordinal];
  const area = node === undefined ? undefined : xattrAreaOf(draft.table, node);
  return (draft.layout.offsets[ordinal] ?? 0) + INODE_BYTES + (area?.length ?? 0);
}

function writeSize(draft: Draft, offset: number, sizeBytes: number): void {
  draft.words[offset / 4 + 2] = sizeBytes;
  draft.words[offset / 4 + 3] = Math.floor(sizeBytes / 2 ** 32);
}

/** Notes size and first block of an inode's own data blocks, and gives their byte offset. */
function writeDataFields(draft: Draft, ordinal: number, sizeBytes: number): number {
  const offset = draft.layout.offsets[ordinal] ?? 0;
  const block = draft.layout.dataBlocks[ordinal] ?? 0;
  writeSize(draft, offset, sizeBytes);
  draft.words[offset / 4 + 4] = block;
  return block * BLOCK_SIZE;
}

/** One chunk holds the whole file: the smallest power of two of blocks that covers it. */
function writeFile(draft: Draft, node: FileNode, offset: number): void {
  if (node.sizeBytes === 0) {
    draft.words[offset / 4 + 4] = NO_BLOCK;
    return;
  }
  const blocks = blocksOf(node.sizeBytes);
  const deviceId = deviceOf(draft, node, blocks);
  const chunkBits = 32 - Math.clz32(blocks - 1);
  const xattrBytes = xattrAreaOf(draft.table, node)?.length ?? 0;
  const index = alignUp(offset + INODE_BYTES + xattrBytes, CHUNK_INDEX_BYTES);
  writeSize(draft, offset, node.sizeBytes);
  draft.words[offset / 4 + 4] = CHUNK_FORMAT_INDEXES | chunkBits;
  draft.halves[index / 2 + 1] = deviceId;
  draft.words[index / 4 + 1] = node.block;
}

/** The device of a file, once its blocks are known to be on it. */
function deviceOf(draft: Draft, node: FileNode, blocks: number): number {
  const deviceId = draft.deviceIds.get(node.layer);
  if (deviceId === undefined) {
    throw new Error(`layer ${node.layer} holds file data and is not among the devices`);
  }
  const available = draft.devices[deviceId - 1]?.blocks ?? 0;
  const end = node.block + blocks;
  if (end > available || blocks > 2 ** MOST_CHUNK_BITS) {
    throw new EngineError(
      'STORE_CORRUPT',
      `the index of layer ${node.layer + 1} places ${describe(draft.tree, node)} at the blocks ${node.block} to ${end} of a data file of ${available}`,
      { hint: 'Run "dray image verify" to rebuild the layer.' },
    );
  }
  return deviceId;
}

function writeDirectory(draft: Draft, listing: DirectoryListing, ordinal: number): void {
  const { names, sizeBytes } = listing;
  let at = writeDataFields(draft, ordinal, sizeBytes);
  for (let from = 0; from < names.length; ) {
    let to = from;
    let used = 0;
    while (to < names.length) {
      used += DIRENT_BYTES + (names[to]?.length ?? 0);
      if (used > BLOCK_SIZE) break;
      to += 1;
    }
    const isTail = to === names.length && hasTail(draft, ordinal);
    writeDirentBlock(draft, listing, { at: isTail ? tailOf(draft, ordinal) : at, from, to });
    at += BLOCK_SIZE;
    from = to;
  }
}

/** The entries `from` to `to` in one block, then their names without a byte between. */
function writeDirentBlock(
  draft: Draft,
  listing: DirectoryListing,
  { at, from, to }: { readonly at: number; readonly from: number; readonly to: number },
): void {
  const { bytes, halves, words, table, layout } = draft;
  let nameOffset = (to - from) * DIRENT_BYTES;
  for (let i = from; i < to; i += 1) {
    const name = listing.names[i] ?? '';
    const ordinal = listing.ordinals[i] ?? 0;
    const dirent = at + (i - from) * DIRENT_BYTES;
    words[dirent / 4] = (layout.offsets[ordinal] ?? 0) / INODE_SLOT_BYTES;
    halves[dirent / 2 + 4] = nameOffset;
    bytes[dirent + 10] = direntType(table.nodes[ordinal]?.type ?? EntryType.directory);
    writeLatin1(bytes, name, at + nameOffset);
    nameOffset += name.length;
  }
}

/** Names are short: a loop is faster than a call into native code. */
function writeLatin1(bytes: Buffer, text: string, at: number): void {
  for (let i = 0; i < text.length; i += 1) bytes[at + i] = text.charCodeAt(i);
}
