/**
 * Decides where everything in an EROFS image goes, before a byte is written.
 *
 * Inodes are numbered breadth first, so that what lies in one directory is read together. The tail
 * of a directory or a symlink follows its inode when both fit into one block, and the inode starts
 * the next block when only that makes them fit; otherwise the data has blocks of its own. Older
 * kernels refuse a tail that is not in the block where its inode ends.
 */
import { EngineError, quoteBytes } from '../errors.ts';
import { BLOCK_SIZE, EntryType } from '../oci/layer-index.ts';
import {
  alignUp,
  blocksOf,
  CHUNK_INDEX_BYTES,
  DIRENT_BYTES,
  INODE_BYTES,
  INODE_SLOT_BYTES,
} from './erofs-format.ts';
import { encodeXattrArea } from './erofs-xattrs.ts';
import { type DirectoryNode, pathOf, type RootfsNode, type RootfsTree } from './tree.ts';

/** A directory's entries in the order of the image, `.` and `..` among them. */
export interface DirectoryListing {
  readonly node: DirectoryNode;
  readonly names: readonly string[];
  /** The inode of each name, by ordinal. */
  readonly ordinals: Uint32Array;
  readonly sizeBytes: number;
}

/** The inodes of an image in order; the root is inode 0. */
export interface InodeTable {
  readonly nodes: readonly RootfsNode[];
  /** `st_nlink` of each inode. */
  readonly linkCounts: Uint32Array;
  /** In the order in which their nodes come in `nodes`. */
  readonly directories: readonly DirectoryListing[];
  readonly xattrAreas: ReadonlyMap<RootfsNode, Buffer>;
}

/** Where the inodes and their data are. */
export interface ImageLayout {
  /** Byte offset of each inode. */
  readonly offsets: Float64Array;
  /** First block of each inode's own data blocks; meaningless when it has none. */
  readonly dataBlocks: Uint32Array;
  /** Whether the last part of the data follows the inode. */
  readonly hasInlineTail: Uint8Array;
  readonly totalBlocks: number;
}

/**
 * Numbers the inodes of a tree and lists its directories.
 *
 * @throws EngineError `LAYER_ENTRY_REJECTED` when xattrs or a name do not fit into EROFS.
 */
export function numberInodes(tree: RootfsTree): InodeTable {
  const numbering: Numbering = { nodes: [tree.root], linkCounts: [2], linked: new Map() };
  const { nodes, linkCounts } = numbering;
  const directories: DirectoryListing[] = [];
  const xattrAreas = new Map<RootfsNode, Buffer>();
  // The directories that were numbered and not yet listed, each with the ordinal of its parent.
  const parents = [0];
  for (let ordinal = 0; ordinal < nodes.length; ordinal += 1) {
    const node = nodes[ordinal];
    if (node === undefined) break;
    if (node.xattrs.length > 0) {
      xattrAreas.set(
        node,
        encodeXattrArea(node.xattrs, () => describe(tree, node)),
      );
    }
    if (node.type !== EntryType.directory) continue;
    const parent = parents[directories.length] ?? 0;
    const names = listNames(tree, node);
    const ordinals = new Uint32Array(names.length);
    for (let i = 0; i < names.length; i += 1) {
      const name = names[i] ?? '';
      const child = node.children.get(name);
      if (child === undefined) {
        ordinals[i] = name === '.' ? ordinal : parent;
        continue;
      }
      ordinals[i] = numberNode(numbering, child);
      if (child.type === EntryType.directory) {
        parents.push(ordinal);
        linkCounts[ordinal] = (linkCounts[ordinal] ?? 0) + 1;
      }
    }
    directories.push({ node, names, ordinals, sizeBytes: listingBytes(names) });
  }
  return { nodes, linkCounts: Uint32Array.from(linkCounts), directories, xattrAreas };
}

/** The inodes while they are being numbered. */
interface Numbering {
  readonly nodes: RootfsNode[];
  readonly linkCounts: number[];
  /** The ordinals of nodes that may have further names. */
  readonly linked: Map<RootfsNode, number>;
}

/** The ordinal of a node that was met under a name, be it the first or not. */
function numberNode({ nodes, linkCounts, linked }: Numbering, node: RootfsNode): number {
  const mayHaveMore = node.type !== EntryType.directory && node.hasLinks;
  const known = mayHaveMore ? linked.get(node) : undefined;
  if (known !== undefined) {
    linkCounts[known] = (linkCounts[known] ?? 0) + 1;
    return known;
  }
  const ordinal = nodes.push(node) - 1;
  linkCounts.push(node.type === EntryType.directory ? 2 : 1);
  if (mayHaveMore) linked.set(node, ordinal);
  return ordinal;
}

const LONGEST_NAME = 255;

/** The names of a directory with `.` and `..`, in byte order: the kernel searches by halves. */
function listNames(tree: RootfsTree, directory: DirectoryNode): string[] {
  const names = ['.', '..'];
  for (const name of directory.children.keys()) {
    if (name.length > LONGEST_NAME || name === '' || name === '.' || name === '..') {
      const why = `has the name ${quoteBytes(name)}, which no Linux file system holds`;
      throw new EngineError('LAYER_ENTRY_REJECTED', `${describe(tree, directory)} ${why}`);
    }
    names.push(name);
  }
  return names.sort();
}

/** Bytes of a directory: whole blocks, no entry in two of them, and what the last block uses. */
function listingBytes(names: readonly string[]): number {
  let fullBlocks = 0;
  let used = 0;
  for (const name of names) {
    const bytes = DIRENT_BYTES + name.length;
    if (used + bytes > BLOCK_SIZE) {
      fullBlocks += 1;
      used = 0;
    }
    used += bytes;
  }
  return fullBlocks * BLOCK_SIZE + used;
}

/**
 * Gives every inode and every data block its place.
 *
 * @param start first byte that an inode may take.
 */
export function placeInodes(table: InodeTable, start: number): ImageLayout {
  const count = table.nodes.length;
  const offsets = new Float64Array(count);
  const hasInlineTail = new Uint8Array(count);
  const dataBlocks = new Uint32Array(count);
  let offset = start;
  let ownBlocks = 0;
  let directory = 0;
  for (let ordinal = 0; ordinal < count; ordinal += 1) {
    const node = table.nodes[ordinal];
    if (node === undefined) break;
    const xattrBytes = xattrAreaOf(table, node)?.length ?? 0;
    const head = INODE_BYTES + xattrBytes;
    let dataBytes = 0;
    if (node.type === EntryType.directory) {
      dataBytes = table.directories[directory]?.sizeBytes ?? 0;
      directory += 1;
    } else if (node.type === EntryType.symlink) dataBytes = node.target.length;
    const tail = dataBytes % BLOCK_SIZE;
    const isInline = tail > 0 && head + tail <= BLOCK_SIZE;
    // The inode itself never lies across two blocks either.
    const together = isInline ? head + tail : INODE_BYTES;
    offset = alignUp(offset, INODE_SLOT_BYTES);
    if ((offset % BLOCK_SIZE) + together > BLOCK_SIZE) offset = alignUp(offset, BLOCK_SIZE);
    offsets[ordinal] = offset;
    offset += isInline ? head + tail : head;
    if (node.type === EntryType.file && node.sizeBytes > 0) {
      offset = alignUp(offset, CHUNK_INDEX_BYTES) + CHUNK_INDEX_BYTES;
    }
    hasInlineTail[ordinal] = isInline ? 1 : 0;
    dataBlocks[ordinal] = ownBlocks;
    ownBlocks += isInline ? Math.floor(dataBytes / BLOCK_SIZE) : blocksOf(dataBytes);
  }
  const inodeBlocks = blocksOf(offset);
  for (let ordinal = 0; ordinal < count; ordinal += 1) {
    dataBlocks[ordinal] = (dataBlocks[ordinal] ?? 0) + inodeBlocks;
  }
  return { offsets, dataBlocks, hasInlineTail, totalBlocks: inodeBlocks + ownBlocks };
}

/** The xattr area of a node, if it has one. */
export function xattrAreaOf(table: InodeTable, node: RootfsNode): Buffer | undefined {
  return node.xattrs.length === 0 ? undefined : table.xattrAreas.get(node);
}

/** Names a node of a tree in an error message. */
export function describe(tree: RootfsTree, node: RootfsNode): string {
  return quoteBytes(`/${pathOf(tree, node)}`);
}
