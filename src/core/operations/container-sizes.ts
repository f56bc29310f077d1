/** How much of the disk a container takes. */
import { statSync } from 'node:fs';
import type { ContainerListing } from '../container/container-directory.ts';
import { layerDataPath } from '../store/store-paths.ts';
import { diskUse } from '../volume/disk-use.ts';
import { containerDirectories } from './mount-container.ts';

/** Bytes on disk. */
export interface ContainerSizes {
  /** What the container has written. */
  readonly writableBytes: number;
  /** That and its image, which other containers may share. */
  readonly rootBytes: number;
}

/** Walks through all that the container has written. */
export function containerSizes(
  dataDir: string,
  { directory, record }: Pick<ContainerListing, 'directory' | 'record'>,
): ContainerSizes {
  const writableBytes = diskUse(containerDirectories(directory).upperDir);
  const imageBytes = (record?.diffIds ?? []).reduce((sum, diffId) => {
    const stats = statSync(layerDataPath(dataDir, diffId), { throwIfNoEntry: false });
    return sum + (stats?.size ?? 0);
  }, 0);
  return { writableBytes, rootBytes: writableBytes + imageBytes };
}
