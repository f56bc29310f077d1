/** Making the names of content durable, once for many files. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { withStoreErrorsAsync } from './store-error.ts';
import { blobsDir, imagesDir, layersDir, rootfsDir } from './store-paths.ts';

/**
 * Syncs the directories that hold blobs, layers, root file systems and summaries, so that the names
 * in them survive a power cut. The bytes of each file were synced before it got its name. The
 * directories are synced side by side: one journal commit serves them all.
 *
 * @throws EngineError `STORE_UNUSABLE`
 */
export async function syncContentDirectories(dataDir: string): Promise<void> {
  const parents = [blobsDir(dataDir), layersDir(dataDir), rootfsDir(dataDir)];
  const directories = parents.flatMap((parent) => [join(parent, 'sha256'), join(parent, 'sha512')]);
  await withStoreErrorsAsync('sync', dataDir, async () => {
    await Promise.all([...directories, imagesDir(dataDir)].map(syncIfThere));
  });
}

async function syncIfThere(directory: string): Promise<void> {
  try {
    await using handle = await open(directory, 'r');
    await handle.sync();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
  }
}
