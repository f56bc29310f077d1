/** What containers need of the store. */
import { existsSync } from 'node:fs';
import { type ContainerContent, ContainerStore } from '../container/container-store.ts';
import type { ContentId } from '../store/lease.ts';
import { rootfsDirectoryPath } from '../store/store-paths.ts';

/** What garbage collection leaves alone: whatever a container has or could be started from again. */
export function contentInUse(dataDir: string): ContentId[] {
  return ContainerStore.contentInUse(dataDir).flatMap(idsOf);
}

/**
 * What stays although its image is removed. A container that goes when it ends needs nothing that
 * the kernel does not hold for it already, unless its root file system is a plain directory.
 */
export function contentBeyondRemoval(dataDir: string): ContentId[] {
  return ContainerStore.contentInUse(dataDir).flatMap((content) => {
    if (!content.removeOnExit) return idsOf(content);
    const isDirectory = existsSync(rootfsDirectoryPath(dataDir, content.chainId));
    return isDirectory ? [content.chainId] : [];
  });
}

function idsOf({ imageId, chainId, diffIds }: ContainerContent): ContentId[] {
  return [imageId, chainId, ...diffIds];
}
