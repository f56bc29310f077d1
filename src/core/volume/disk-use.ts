/** How much of a disk a tree takes. */
import { lstatSync, readdirSync } from 'node:fs';
import { hasErrno } from '../errors.ts';

const BLOCK_BYTES = 512;
const SLASH = Buffer.from('/');

/**
 * Allocated bytes of `path` and all below it, each inode once; links are not followed. What goes
 * meanwhile counts nothing.
 */
export function diskUse(path: string): number {
  return useOf(Buffer.from(path), new Set());
}

function useOf(path: Buffer, seen: Set<string>): number {
  const stats = tolerant(() => lstatSync(path));
  if (stats === undefined) return 0;
  const inode = `${stats.dev}:${stats.ino}`;
  if (stats.nlink > 1 && seen.has(inode)) return 0;
  if (stats.nlink > 1) seen.add(inode);
  const own = stats.blocks * BLOCK_BYTES;
  if (!stats.isDirectory()) return own;
  const names = tolerant(() => readdirSync(path, { encoding: 'buffer' })) ?? [];
  return names.reduce((sum, name) => sum + useOf(Buffer.concat([path, SLASH, name]), seen), own);
}

function tolerant<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}
