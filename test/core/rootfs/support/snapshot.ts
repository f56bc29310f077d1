/** Everything that a user of a file system can see of a directory tree, one line for each path. */
import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { getXattr, listXattrs } from '../../../../src/core/host/libc.ts';

/** A line for each path, by the path as a latin1 string; the root is `.`. */
export type Snapshot = Record<string, string>;

const TYPES: ReadonlyMap<number, string> = new Map([
  [0o010000, 'fifo'],
  [0o020000, 'character-device'],
  [0o040000, 'directory'],
  [0o060000, 'block-device'],
  [0o100000, 'file'],
  [0o120000, 'symlink'],
]);

/**
 * Reads a tree: type, mode, owner, size, digest, link target, device number, mtime with nanoseconds,
 * link count and hard link group, xattrs. Sizes and link counts of directories are the file
 * system's own affair and left out.
 */
export function snapshot(root: string): Snapshot {
  const lines: Snapshot = {};
  const groups = new Map<string, string>();
  const visit = (path: string): void => {
    const bytes = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);
    const stats = lstatSync(bytes, { bigint: true });
    const type = TYPES.get(Number(stats.mode) & 0o170000) ?? 'unknown';
    const inode = `${stats.dev}:${stats.ino}`;
    if (type !== 'directory' && !groups.has(inode)) groups.set(inode, path);
    lines[path] = [
      type,
      (Number(stats.mode) & 0o7777).toString(8),
      `${stats.uid}:${stats.gid}`,
      ...content(bytes, type, stats),
      `mtime ${stats.mtimeNs}`,
      ...(type === 'directory' ? [] : [`links ${stats.nlink} of ${groups.get(inode)}`]),
      ...xattrs(bytes),
    ].join(' ');
    if (type !== 'directory') return;
    const names = readdirSync(bytes, { encoding: 'buffer' }).map((name) => name.toString('latin1'));
    for (const name of names.sort()) visit(path === '.' ? name : `${path}/${name}`);
  };
  visit('.');
  return lines;
}

function content(path: Buffer, type: string, stats: BigIntStats): string[] {
  if (type === 'file') {
    return [`${stats.size} bytes`, stats.size === 0n ? '' : digestOfFile(path)];
  }
  if (type === 'symlink')
    return [`to ${readlinkSync(path, { encoding: 'buffer' }).toString('hex')}`];
  return type.endsWith('device') ? [`number ${stats.rdev}`] : [];
}

function digestOfFile(path: Buffer): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
}

function xattrs(path: Buffer): string[] {
  return listXattrs(path)
    .map((name) => `${name.toString('latin1')}=${getXattr(path, name).toString('hex')}`)
    .sort();
}

/** The lines without the times of directories, where the oracle cannot be asked for them. */
export function withoutDirectoryTimes(lines: Snapshot): Snapshot {
  const kept = Object.entries(lines).map(([path, line]): [string, string] => [
    path,
    line.startsWith('directory ') ? line.replace(/ mtime -?\d+/, '') : line,
  ]);
  return Object.fromEntries(kept);
}
