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

/** The image while it is being written: one buffer, seen in three widths. */
interface Canvas {
  readonly bytes: Buffer;
  readonly halves: Uint16Array;
  readonly words: Uint32Array;
}

/**
 * The bytes of the metadata image of `tree`: a whole number of 4096-byte blocks.
 *
 * @throws EngineError `LAYER_ENTRY_REJECTED` when the tree holds what EROFS cannot, naming the path;
 * `STORE_CORRUPT` when a file lies beyond the end of its data file.
 */
export function encodeErofs(tree: RootfsTree, options: ErofsOptions): Buffer {
  const table = numberInodes(tree);
  const start = alignUp(
    SUPERBLOCK_OFFSET + DEVICE_SLOT_BYTES * (1 + options.devices.length),
    INODE_SLOT_BYTES,
  );
  const layout = placeInodes(table, start);
  checkLimits(layout, options.devices);
  const buffer = new ArrayBuffer(layout.totalBlocks * BLOCK_SIZE);
  const canvas: Canvas = {
    bytes: Buffer.from(buffer),
    halves: new Uint16Array(buffer),
    words: new Uint32Array(buffer),
  };
  writeSuperblock(canvas, { table, layout, options });
  writeDeviceSlots(canvas, layout.totalBlocks, options.devices);
  const deviceIds = new Map(options.devices.map((device, i) => [device.layer, i + 1]));
  writeInodes(canvas, { table, layout, tree, deviceIds, devices: options.devices });
  return canvas.bytes;
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

/** What the passes over an image share. */
interface Draft {
  readonly table: InodeTable;
  readonly layout: ImageLayout;
}

function writeSuperblock(canvas: Canvas, draft: Draft & { readonly options: ErofsOptions }): void {
  const { table, layout, options } = draft;
  const at = SUPERBLOCK_OFFSET;
  const { bytes } = canvas;
  const deviceCount = options.devices.length;
  bytes.writeUInt32LE(SUPERBLOCK_MAGIC, at);
  bytes.writeUInt8(BLOCK_BITS, at + 12);
  bytes.writeUInt16LE((layout.offsets[0] ?? 0) / INODE_SLOT_BYTES, at + 14);
  bytes.writeBigUInt64LE(BigInt(table.nodes.length), at + 16);
  bytes.writeUInt32LE(layout.totalBlocks, at + 36);
  options.uuid.copy(bytes, at + 48, 0, 16);
  const deviceTable = deviceCount === 0 ? 0 : INCOMPAT_DEVICE_TABLE;
  bytes.writeUInt32LE(INCOMPAT_CHUNKED_FILE | deviceTable, at + 80);
  bytes.writeUInt16LE(deviceCount, at + 86);
  bytes.writeUInt16LE(deviceCount === 0 ? 0 : FIRST_DEVICE_SLOT, at + 88);
}

/**
 * Start addresses lie past the end of the metadata image. When the devices are forgotten at mount
 * time the kernel reads the primary file at those addresses, which then fails with EIO where it
 * would otherwise show metadata as file contents.
 */
function writeDeviceSlots(
  canvas: Canvas,
  firstBlock: number,
  devices: readonly ErofsDevice[],
): void {
  let start = firstBlock;
  for (const [i, { blocks }] of devices.entries()) {
    const at = (FIRST_DEVICE_SLOT + i) * DEVICE_SLOT_BYTES;
    canvas.bytes.writeUInt32LE(blocks, at + 64);
    canvas.bytes.writeUInt32LE(start, at + 68);
    start += blocks;
  }
}

/** What writing inodes needs. */
interface InodeDraft extends Draft {
  readonly tree: RootfsTree;
  readonly devices: readonly ErofsDevice[];
  /** The 1-based device of each layer. */
  readonly deviceIds: ReadonlyMap<number, number>;
}

function writeInodes(canvas: Canvas, draft: InodeDraft): void {
  const { table, layout } = draft;
  let directory = 0;
  for (const [ordinal, node] of table.nodes.entries()) {
    const offset = layout.offsets[ordinal] ?? 0;
    const area = table.xattrAreas.get(node);
    const xattrBytes = area?.length ?? 0;
    area?.copy(canvas.bytes, offset + INODE_BYTES);
    writeCommonFields(canvas, { node, offset, ordinal, xattrBytes, draft });
    const end = offset + INODE_BYTES + xattrBytes;
    if (node.type === EntryType.file) {
      writeFile(canvas, { node, offset, end, draft });
    } else if (node.type === EntryType.directory) {
      const listing = table.directories[directory];
      directory += 1;
      if (listing !== undefined) writeDirectory(canvas, { listing, ordinal, end, draft });
    } else if (node.type === EntryType.symlink) {
      writeSymlink(canvas, { target: node.target, ordinal, end, draft });
    } else if (node.type !== EntryType.fifo) {
      canvas.words[(offset + 16) >>> 2] = encodeDevice(node.major, node.minor);
    }
  }
}

interface InodePlace {
  readonly node: RootfsNode;
  readonly offset: number;
  readonly ordinal: number;
  readonly xattrBytes: number;
  readonly draft: InodeDraft;
}

function writeCommonFields(canvas: Canvas, place: InodePlace): void {
  const { node, offset, ordinal, draft } = place;
  const { halves, words } = canvas;
  const word = offset / 4;
  const half = offset / 2;
  const isChunked = node.type === EntryType.file && node.sizeBytes > 0;
  const isInline = draft.layout.hasInlineTail[ordinal] === 1;
  const inlineOrPlain = isInline ? DataLayout.inlineTail : DataLayout.plain;
  halves[half] = 1 | ((isChunked ? DataLayout.chunks : inlineOrPlain) << 1);
  halves[half + 1] = xattrCountField(place.xattrBytes);
  // Tar carries other modes for symlinks; Linux knows only this one.
  const permissions = node.type === EntryType.symlink ? 0o777 : node.mode;
  halves[half + 2] = formatBits(node.type) | permissions;
  words[word + 5] = ordinal + 1;
  words[word + 6] = node.uid;
  words[word + 7] = node.gid;
  words[word + 8] = node.mtimeSeconds;
  words[word + 9] = Math.floor(node.mtimeSeconds / 2 ** 32);
  words[word + 10] = node.mtimeNanoseconds;
  words[word + 11] = draft.table.linkCounts[ordinal] ?? 1;
}

function writeSize(canvas: Canvas, offset: number, sizeBytes: number): void {
  canvas.words[offset / 4 + 2] = sizeBytes;
  canvas.words[offset / 4 + 3] = Math.floor(sizeBytes / 2 ** 32);
}

interface FilePlace {
  readonly node: FileNode;
  readonly offset: number;
  /** Where the inode and its xattrs end. */
  readonly end: number;
  readonly draft: InodeDraft;
}

/** One chunk holds the whole file: the smallest power of two of blocks that covers it. */
function writeFile(canvas: Canvas, place: FilePlace): void {
  const { node, offset, draft } = place;
  if (node.sizeBytes === 0) {
    canvas.words[offset / 4 + 4] = NO_BLOCK;
    return;
  }
  const blocks = blocksOf(node.sizeBytes);
  const deviceId = draft.deviceIds.get(node.layer) ?? 0;
  checkExtent(node, blocks, draft);
  const chunkBits = 32 - Math.clz32(blocks - 1);
  writeSize(canvas, offset, node.sizeBytes);
  canvas.words[offset / 4 + 4] = CHUNK_FORMAT_INDEXES | chunkBits;
  const index = alignUp(place.end, CHUNK_INDEX_BYTES);
  canvas.halves[index / 2 + 1] = deviceId;
  canvas.words[index / 4 + 1] = node.block;
}

function checkExtent(node: FileNode, blocks: number, draft: InodeDraft): void {
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
}

interface DirectoryPlace {
  readonly listing: DirectoryListing;
  readonly ordinal: number;
  readonly end: number;
  readonly draft: InodeDraft;
}

function writeDirectory(canvas: Canvas, place: DirectoryPlace): void {
  const { listing, ordinal, draft } = place;
  const { names, sizeBytes } = listing;
  const { layout } = draft;
  writeSize(canvas, layout.offsets[ordinal] ?? 0, sizeBytes);
  let at = writeDataStart(canvas, ordinal, layout);
  let from = 0;
  while (from < names.length) {
    let to = from;
    let used = 0;
    while (to < names.length) {
      const bytes = DIRENT_BYTES + (names[to]?.length ?? 0);
      if (used + bytes > BLOCK_SIZE) break;
      used += bytes;
      to += 1;
    }
    const isTail = to === names.length && layout.hasInlineTail[ordinal] === 1;
    writeDirentBlock(canvas, { at: isTail ? place.end : at, from, to, listing, draft });
    at += BLOCK_SIZE;
    from = to;
  }
}

/** Notes where the inode's own data blocks start, and gives their byte offset. */
function writeDataStart(canvas: Canvas, ordinal: number, layout: ImageLayout): number {
  const block = layout.dataBlocks[ordinal] ?? 0;
  canvas.words[(layout.offsets[ordinal] ?? 0) / 4 + 4] = block;
  return block * BLOCK_SIZE;
}

interface DirentBlock {
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly listing: DirectoryListing;
  readonly draft: InodeDraft;
}

/** The entries of one block, then their names without a byte between. */
function writeDirentBlock(canvas: Canvas, block: DirentBlock): void {
  const { at, from, to, listing, draft } = block;
  const { nodes } = draft.table;
  let nameOffset = (to - from) * DIRENT_BYTES;
  for (let i = from; i < to; i += 1) {
    const name = listing.names[i] ?? '';
    const ordinal = listing.ordinals[i] ?? 0;
    const dirent = at + (i - from) * DIRENT_BYTES;
    canvas.words[dirent / 4] = (draft.layout.offsets[ordinal] ?? 0) / INODE_SLOT_BYTES;
    canvas.halves[dirent / 2 + 4] = nameOffset;
    canvas.bytes[dirent + 10] = direntType(nodes[ordinal]?.type ?? EntryType.directory);
    canvas.bytes.write(name, at + nameOffset, 'latin1');
    nameOffset += name.length;
  }
}

interface SymlinkPlace {
  readonly target: string;
  readonly ordinal: number;
  readonly end: number;
  readonly draft: InodeDraft;
}

function writeSymlink(canvas: Canvas, place: SymlinkPlace): void {
  const { target, ordinal, draft } = place;
  writeSize(canvas, draft.layout.offsets[ordinal] ?? 0, target.length);
  const start = writeDataStart(canvas, ordinal, draft.layout);
  const isInline = draft.layout.hasInlineTail[ordinal] === 1;
  canvas.bytes.write(target, isInline ? place.end : start, 'latin1');
}
