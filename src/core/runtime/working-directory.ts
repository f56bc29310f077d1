/** The directory that a container's process starts in. */
import { EngineError, quote } from '../errors.ts';
import { makeDirectoryInRoot, type RootHandle } from '../host/resolve-in-root.ts';
import { isWithin, lstatIfPresent, resolveRootPath } from './root-path.ts';

/** The root file system, open and by path. */
export interface MountedRoot {
  readonly handle: RootHandle;
  readonly path: string;
}

/**
 * Makes `directory` in the root when it is missing, owned by root, and returns the path to start
 * in. A directory on a mount is left to the runtime.
 *
 * A path that ends in /proc/PID or /dev/fd is refused: through a descriptor there, a runtime can be
 * made to start in a directory of the host (CVE-2024-21626).
 *
 * @throws EngineError `USAGE_INVALID` for a relative path, one in /proc/PID, or one that is a file
 */
export function prepareWorkingDirectory(
  root: MountedRoot,
  directory: string,
  mountDestinations: readonly string[],
): string {
  if (!directory.startsWith('/') || directory.includes('\0')) {
    throw new EngineError(
      'USAGE_INVALID',
      `The working directory ${quote(directory)} is not an absolute path.`,
    );
  }
  const resolved = resolveRootPath(root.path, directory);
  if (/^\/proc\/(self|thread-self|\d+)(\/|$)/.test(resolved) || isWithin(resolved, '/dev/fd')) {
    throw new EngineError(
      'USAGE_INVALID',
      `The working directory ${quote(directory)} leads to ${quote(resolved)}, which belongs to a process and not to the image.`,
    );
  }
  if (mountDestinations.some((destination) => isWithin(resolved, destination))) {
    return resolved;
  }
  const stats = lstatIfPresent(root.path + resolved);
  if (stats === undefined) {
    makeDirectoryInRoot(root.handle, resolved, { mode: 0o755, uid: 0, gid: 0 });
  } else if (!stats.isDirectory()) {
    throw new EngineError(
      'USAGE_INVALID',
      `The working directory ${quote(directory)} is not a directory in the image.`,
    );
  }
  return resolved;
}
