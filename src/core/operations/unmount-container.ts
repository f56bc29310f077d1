/** The end of a container's mounts in the namespace that they were made in. */

import { join } from 'node:path';
import { isErrno } from '../host/libc.ts';
import { unmount } from '../host/mount.ts';
import { containerDirectories } from './mount-container.ts';

/** Unmounts what `prepareContainer` mounted, in the same namespace. Idempotent. */
export function unmountContainer(containerDir: string): void {
  const { mountPoint, lowerMountPoint } = containerDirectories(containerDir);
  // The network's namespace would live on in a copy of this one.
  for (const directory of [mountPoint, lowerMountPoint, join(containerDir, 'netns')]) {
    try {
      unmount(directory, { detach: true });
    } catch (error) {
      // EINVAL: nothing is mounted there, as with the directory back-end or after a failure.
      if (!isErrno(error, 'EINVAL') && !isErrno(error, 'ENOENT')) throw error;
    }
  }
}
