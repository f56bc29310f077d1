/**
 * The smallest EROFS that shows whether the kernel can do all that ours need: a root directory with
 * one file, whose content lies on an extra device. One block of metadata, one of data.
 *
 * On-disk format: fs/erofs/erofs_fs.h of Linux. All numbers are little endian.
 */

/** The name of the file in the root directory. */
export const PROBE_FILE_NAME = 'probe';
/** The content of the file. */
export const PROBE_CONTENT = Buffer.from('dray\n');

const BLOCK_SIZE = 4096;
const SUPERBLOCK_OFFSET = 1024;
const DEVICE_TABLE_OFFSET = SUPERBLOCK_OFFSET + 128;
const ROOT_OFFSET = DEVICE_TABLE_OFFSET + 128;
const INODE_SIZE = 64;
const FILE_OFFSET = 1536;
const NID_UNIT = 32;

/** The metadata image. Mounting it needs one device: a file of `probeData()`. */
export function probeImage(): Buffer {
  const image = Buffer.alloc(BLOCK_SIZE);
  writeSuperblock(image);
  writeDeviceSlot(image);
  const directory = directoryBlock();
  // Layout 2: the directory's entries follow its inode.
  writeInode(image, ROOT_OFFSET, { layout: 2, mode: 0o40755, size: directory.length, union: 0 });
  directory.copy(image, ROOT_OFFSET + INODE_SIZE);
  // Layout 4: chunks follow. 0x20 says that each has 8 bytes; they are one block long.
  writeInode(image, FILE_OFFSET, {
    layout: 4,
    mode: 0o100644,
    size: PROBE_CONTENT.length,
    union: 0x20,
  });
  const chunk = FILE_OFFSET + INODE_SIZE;
  image.writeUInt16LE(1, chunk + 2);
  image.writeUInt32LE(0, chunk + 4);
  return image;
}

/** The extra device. */
export function probeData(): Buffer {
  return Buffer.concat([PROBE_CONTENT], BLOCK_SIZE);
}

function writeSuperblock(image: Buffer): void {
  image.writeUInt32LE(0xe0f5e1e2, SUPERBLOCK_OFFSET);
  image.writeUInt8(Math.log2(BLOCK_SIZE), SUPERBLOCK_OFFSET + 12);
  image.writeUInt16LE(ROOT_OFFSET / NID_UNIT, SUPERBLOCK_OFFSET + 14);
  image.writeBigUInt64LE(2n, SUPERBLOCK_OFFSET + 16); // inodes
  image.writeUInt32LE(1, SUPERBLOCK_OFFSET + 36); // blocks
  image.writeUInt32LE(0x4 | 0x8, SUPERBLOCK_OFFSET + 80); // needs chunked files, a device table
  image.writeUInt16LE(1, SUPERBLOCK_OFFSET + 86); // extra devices
  image.writeUInt16LE(DEVICE_TABLE_OFFSET / 128, SUPERBLOCK_OFFSET + 88);
}

function writeDeviceSlot(image: Buffer): void {
  image.writeUInt32LE(1, DEVICE_TABLE_OFFSET + 64); // blocks
  image.writeUInt32LE(1, DEVICE_TABLE_OFFSET + 68); // its address in the unified space
}

interface Inode {
  readonly layout: number;
  readonly mode: number;
  readonly size: number;
  readonly union: number;
}

function writeInode(image: Buffer, offset: number, inode: Inode): void {
  image.writeUInt16LE(1 | (inode.layout << 1), offset); // 1: the extended form
  image.writeUInt16LE(inode.mode, offset + 4);
  image.writeBigUInt64LE(BigInt(inode.size), offset + 8);
  image.writeUInt32LE(inode.union, offset + 16);
  image.writeUInt32LE(offset / NID_UNIT, offset + 20); // inode number
  image.writeUInt32LE((inode.mode & 0o170000) === 0o40000 ? 2 : 1, offset + 44); // links
}

function directoryBlock(): Buffer {
  const entries = [
    { name: '.', offset: ROOT_OFFSET, type: 2 },
    { name: '..', offset: ROOT_OFFSET, type: 2 },
    { name: PROBE_FILE_NAME, offset: FILE_OFFSET, type: 1 },
  ];
  const heads = Buffer.alloc(entries.length * 12);
  let nameOffset = heads.length;
  entries.forEach(({ name, offset, type }, index) => {
    heads.writeBigUInt64LE(BigInt(offset / NID_UNIT), index * 12);
    heads.writeUInt16LE(nameOffset, index * 12 + 8);
    heads.writeUInt8(type, index * 12 + 10);
    nameOffset += name.length;
  });
  return Buffer.concat([heads, Buffer.from(entries.map(({ name }) => name).join(''))]);
}
