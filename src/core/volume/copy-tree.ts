/**
 * Copies a directory of an image's root into a volume: types, owners, modes, times, links, devices
 * and extended attributes. Links are copied, never followed. Names are bytes.
 */
import {
  type BigIntStats,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs';
import { deviceNumber } from '../host/device-number.ts';
import { getXattr, isErrno, listXattrs, mknod, setTimes, setXattr } from '../host/libc.ts';

const SLASH = Buffer.from('/');

/**
 * Copies what is in `source` into the existing directory `target`, and the attributes of `source`
 * onto it. What is in `target` already is kept, so that an interrupted copy can be completed.
 * Sockets are left out. Neither tree may change meanwhile.
 */
export function copyTree(source: string, target: string): void {
  const linked = new Map<string, Buffer>();
  copyDirectory(Buffer.from(source), Buffer.from(target), linked);
}

function copyDirectory(source: Buffer, target: Buffer, linked: Map<string, Buffer>): void {
  for (const name of readdirSync(source, { encoding: 'buffer' })) {
    const from = Buffer.concat([source, SLASH, name]);
    const to = Buffer.concat([target, SLASH, name]);
    const stats = lstatSync(from, { bigint: true });
    if (stats.isDirectory()) {
      mkdirSync(to, { recursive: true, mode: 0o700 });
      copyDirectory(from, to, linked);
    } else {
      copyNode({ from, to, stats }, linked);
    }
  }
  // After the content: it changes the times, and the mode may forbid writing.
  copyAttributes(source, target, lstatSync(source, { bigint: true }));
}

interface Copy {
  readonly from: Buffer;
  readonly to: Buffer;
  readonly stats: BigIntStats;
}

function copyNode({ from, to, stats }: Copy, linked: Map<string, Buffer>): void {
  const inode = `${stats.dev}:${stats.ino}`;
  const twin = stats.nlink > 1n ? linked.get(inode) : undefined;
  if (stats.isSocket()) {
    return;
  }
  if (twin !== undefined) {
    if (!existsSync(to)) {
      linkSync(twin, to);
    }
    return;
  }
  linked.set(inode, to);
  if (stats.isSymbolicLink()) {
    if (lstatSync(to, { throwIfNoEntry: false }) === undefined) {
      symlinkSync(readlinkSync(from, { encoding: 'buffer' }), to);
    }
  } else if (stats.isFile()) {
    copyFileSync(from, to, constants.COPYFILE_FICLONE);
  } else if (!existsSync(to)) {
    mknod(to, Number(stats.mode), deviceNumber(stats.rdev));
  }
  copyAttributes(from, to, stats);
}

/**
 * Gives `to` owner, mode, extended attributes and times of `from`, whose stats are given. Extended
 * attributes that the file system of `to` cannot hold are left out, as with docker.
 */
export function copyAttributes(from: Buffer, to: Buffer, stats: BigIntStats): void {
  // Owner before mode: chown clears the setuid bits.
  lchownSync(to, Number(stats.uid), Number(stats.gid));
  if (!stats.isSymbolicLink()) {
    chmodSync(to, Number(stats.mode & 0o7777n));
  }
  copyXattrs(from, to);
  setTimes(to, Number(stats.mtimeNs / 1_000_000_000n), Number(stats.mtimeNs % 1_000_000_000n));
}

function copyXattrs(from: Buffer, to: Buffer): void {
  for (const name of listXattrs(from)) {
    const text = name.toString('latin1');
    const isCopied =
      text.startsWith('user.') ||
      text === 'security.capability' ||
      text.startsWith('system.posix_acl_');
    if (!isCopied) continue;
    try {
      setXattr(to, name, getXattr(from, name));
    } catch (error) {
      if (!isErrno(error, 'EOPNOTSUPP')) throw error;
    }
  }
}
