/**
 * Tar headers for `exportTar` (POSIX.1-2001 pax interchange format).
 *
 * What a ustar header cannot say is said in a PAX record before it: long names and targets, large
 * owners and sizes, times with a fraction or before 1970, xattrs (`SCHILY.xattr.*`). Values are the
 * bytes of the image, whether or not they are UTF-8, as GNU tar writes and reads them.
 */
import { EntryType, type Xattr } from '../oci/layer-index.ts';
import type { RootfsNode } from './tree.ts';

export const TAR_BLOCK_BYTES = 512;

const TYPE_FLAGS: Readonly<Record<RootfsNode['type'], string>> = {
  [EntryType.file]: '0',
  [EntryType.symlink]: '2',
  [EntryType.characterDevice]: '3',
  [EntryType.blockDevice]: '4',
  [EntryType.directory]: '5',
  [EntryType.fifo]: '6',
};
const HARD_LINK_FLAG = '1';
const PAX_FLAG = 'x';

/** Longest name or target of a header field. */
const FIELD_BYTES = 100;
const LARGEST_OWNER = 0o7777777;
const LARGEST_SIZE = 0o77777777777;

/**
 * The header of a node, with its PAX header before it where it needs one: whole tar blocks.
 *
 * @param name the path in the tar, a latin1 string; a directory's ends with `/`.
 * @param linkTo for a further name of a hard link group, the name that was written first.
 */
export function tarHeader(node: RootfsNode, name: string, linkTo?: string): Buffer {
  const target = linkTo ?? (node.type === EntryType.symlink ? node.target : '');
  const isContent = node.type === EntryType.file && linkTo === undefined;
  const fields: HeaderFields = {
    node,
    name,
    target,
    flag: linkTo === undefined ? TYPE_FLAGS[node.type] : HARD_LINK_FLAG,
    sizeBytes: isContent ? node.sizeBytes : 0,
  };
  const records = paxRecords(fields, linkTo === undefined ? node.xattrs : []);
  if (records.length === 0) return headerBlock(fields);
  const body = Buffer.concat(records);
  const padding = Buffer.alloc(
    (TAR_BLOCK_BYTES - (body.length % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES,
  );
  return Buffer.concat([paxHeaderBlock(body.length), body, padding, headerBlock(fields)]);
}

interface HeaderFields {
  readonly node: RootfsNode;
  readonly name: string;
  readonly target: string;
  readonly flag: string;
  readonly sizeBytes: number;
}

function paxRecords(fields: HeaderFields, xattrs: readonly Xattr[]): Buffer[] {
  const { node, name, target, sizeBytes } = fields;
  const records: Buffer[] = [];
  const add = (key: string, value: string | Buffer): void => {
    records.push(paxRecord(key, value));
  };
  if (name.length > FIELD_BYTES) add('path', name);
  if (target.length > FIELD_BYTES) add('linkpath', target);
  if (node.uid > LARGEST_OWNER) add('uid', `${node.uid}`);
  if (node.gid > LARGEST_OWNER) add('gid', `${node.gid}`);
  if (sizeBytes > LARGEST_SIZE) add('size', `${sizeBytes}`);
  if (!fitsTimeField(node)) add('mtime', paxTime(node.mtimeSeconds, node.mtimeNanoseconds));
  for (const xattr of xattrs) {
    // GNU tar's escapes: a record's key ends at the first "=".
    const key = xattr.name.replaceAll('%', '%25').replaceAll('=', '%3D');
    add(`SCHILY.xattr.${key}`, xattr.value);
  }
  return records;
}

function fitsTimeField({ mtimeSeconds, mtimeNanoseconds }: RootfsNode): boolean {
  return mtimeNanoseconds === 0 && mtimeSeconds >= 0 && mtimeSeconds <= LARGEST_SIZE;
}

/** Seconds with a fraction. The parts of a time are a floor and what is above it; text is not. */
function paxTime(seconds: number, nanoseconds: number): string {
  const isBelowZero = seconds < 0 && nanoseconds > 0;
  const whole = isBelowZero ? seconds + 1 : seconds;
  const part = isBelowZero ? 1e9 - nanoseconds : nanoseconds;
  const sign = isBelowZero && whole === 0 ? '-' : '';
  if (part === 0) return `${whole}`;
  return `${sign}${whole}.${String(part).padStart(9, '0')}`.replace(/0+$/, '');
}

/** `length key=value\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  const rest = key.length + bytes.length + ' =\n'.length;
  let digits = String(rest).length;
  if (String(rest + digits).length > digits) digits += 1;
  return Buffer.concat([
    Buffer.from(`${rest + digits} ${key}=`, 'latin1'),
    bytes,
    Buffer.from('\n'),
  ]);
}

function headerBlock(fields: HeaderFields): Buffer {
  const { node, name, target, flag, sizeBytes } = fields;
  const block = startBlock(name, flag, sizeBytes);
  writeOctal(block, 100, 8, node.type === EntryType.symlink ? 0o777 : node.mode);
  writeOctal(block, 108, 8, Math.min(node.uid, LARGEST_OWNER));
  writeOctal(block, 116, 8, Math.min(node.gid, LARGEST_OWNER));
  writeOctal(block, 136, 12, Math.min(Math.max(node.mtimeSeconds, 0), LARGEST_SIZE));
  block.write(target.slice(0, FIELD_BYTES), 157, 'latin1');
  if (node.type === EntryType.characterDevice || node.type === EntryType.blockDevice) {
    writeOctal(block, 329, 8, node.major);
    writeOctal(block, 337, 8, node.minor);
  }
  return withChecksum(block);
}

function paxHeaderBlock(sizeBytes: number): Buffer {
  const block = startBlock('PaxHeaders/entry', PAX_FLAG, sizeBytes);
  writeOctal(block, 100, 8, 0o644);
  writeOctal(block, 108, 8, 0);
  writeOctal(block, 116, 8, 0);
  writeOctal(block, 136, 12, 0);
  return withChecksum(block);
}

function startBlock(name: string, flag: string, sizeBytes: number): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.write(name.slice(0, FIELD_BYTES), 0, 'latin1');
  writeOctal(block, 124, 12, Math.min(sizeBytes, LARGEST_SIZE));
  block.write(flag, 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  return block;
}

function writeOctal(block: Buffer, at: number, width: number, value: number): void {
  block.write(value.toString(8).padStart(width - 1, '0'), at, 'latin1');
}

function withChecksum(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
