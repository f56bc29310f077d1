/**
 * The first content of a volume: what the image has at the place where it is mounted.
 *
 * The copy is made beside the content, in `filling/`. When it is complete it becomes `filled/`, by
 * one rename, and its entries move into `_data` one by one. Killed before that rename, a copy is
 * worth nothing and is made again by whoever next uses the volume with content to give; killed after
 * it, the move is completed by whoever next uses the volume at all. `_data` itself stays the same
 * directory throughout, since another container may have it mounted.
 */
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { type AcquireOptions, FileLock } from '../host/file-lock.ts';
import { syncFilesystem, withSystemErrors } from '../host/libc.ts';
import { copyAttributes, copyTree } from './copy-tree.ts';
import { volumeDataDir } from './volume-paths.ts';

/** How a volume is filled. */
export interface FillOptions extends AcquireOptions {
  /**
   * The directory whose content an empty volume gets, with owners, modes, times and links: without
   * links in its path, below a root that nothing else changes. Something else there, or nothing, is
   * no content.
   */
  readonly source?: string;
  /** Whether the content must have survived a power cut once we return. */
  readonly durable: boolean;
}

/**
 * Completes the volume in `directory` and fills it when it is empty; returns the path of its
 * content. Waits for other processes that fill it. Idempotent.
 *
 * @throws SystemCallError, and the reason of `signal`
 */
export async function fillVolume(directory: string, options: FillOptions): Promise<string> {
  const dataDir = volumeDataDir(directory);
  using _lock = await FileLock.acquire(join(directory, 'lock'), 'exclusive', options);
  return withSystemErrors(`while filling the volume in ${directory}`, () => {
    mkdirSync(dataDir, { recursive: true });
    settle(directory);
    const { source } = options;
    if (source !== undefined && isDirectory(source) && readdirSync(dataDir).length === 0) {
      const filling = fillingDir(directory);
      mkdirSync(filling, { mode: 0o700 });
      copyTree(source, filling);
      if (options.durable) syncTree(filling);
      renameSync(filling, filledDir(directory));
      settle(directory);
    }
    return dataDir;
  });
}

/** Throws an incomplete copy away and moves a complete one in. What is in `_data` already stays. */
function settle(directory: string): void {
  rmSync(fillingDir(directory), { recursive: true, force: true });
  const filled = Buffer.from(filledDir(directory));
  // Before the moves, which change its time.
  const stats = lstatSync(filled, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return;
  const target = Buffer.from(volumeDataDir(directory));
  for (const name of readdirSync(filled, { encoding: 'buffer' })) {
    const to = below(target, name);
    if (lstatSync(to, { throwIfNoEntry: false }) === undefined) renameSync(below(filled, name), to);
  }
  copyAttributes(filled, target, stats);
  rmSync(filledDir(directory), { recursive: true, force: true });
}

function fillingDir(directory: string): string {
  return join(directory, 'filling');
}

function filledDir(directory: string): string {
  return join(directory, 'filled');
}

function below(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from('/'), name]);
}

/** One call for the whole file system: cheaper than one for each file, and needed once. */
function syncTree(directory: string): void {
  // An image that has nothing there gave only the attributes of a directory.
  if (readdirSync(directory).length === 0) return;
  const fd = openSync(directory, 'r');
  try {
    syncFilesystem(fd);
  } finally {
    closeSync(fd);
  }
}

function isDirectory(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch (error) {
    if (hasErrno(error, 'ENOTDIR')) return false;
    throw error;
  }
}
