/**
 * A volume on disk: `<directory>/_data` holds its content, `<directory>/lock` serialises its first
 * use, `<directory>/filling` exists while it is being filled, so that a run that was killed half
 * way is completed by the next one.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { FileLock } from '../host/file-lock.ts';
import { copyTree } from './copy-tree.ts';

/**
 * Makes the volume when it is missing and returns the directory to mount. If it is empty and
 * `imagePath` (a directory without links in its path, below a root that nothing else changes) is
 * there, its content is copied in with owners, modes and times. Safe to call at once from several
 * processes; idempotent.
 */
export async function prepareVolume(
  directory: string,
  imagePath: string | undefined,
): Promise<string> {
  const dataDir = join(directory, '_data');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  using _lock = await FileLock.acquire(join(directory, 'lock'), 'exclusive');
  mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  const marker = join(directory, 'filling');
  const isUnfinished = existsSync(marker);
  const isEmpty = readdirSync(dataDir).length === 0;
  if (imagePath !== undefined && (isEmpty || isUnfinished) && isDirectory(imagePath)) {
    writeFileSync(marker, '');
    copyTree(imagePath, dataDir);
    rmSync(marker);
  }
  return dataDir;
}

function isDirectory(path: string): boolean {
  try {
    return lstatSync(path).isDirectory();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return false;
    }
    throw error;
  }
}
