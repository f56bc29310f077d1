/**
 * Refuses roots that turn the runtime against the host.
 *
 * While runc sets a container up, it opens these paths as root in the host's context. Debian 12's
 * runc follows links there: with `/dev` linked to a host directory it removed and made files in
 * that directory (CVE-2026-41579; CVE-2025-31133, CVE-2025-52565, CVE-2023-27561 are of the kind).
 */
import { EngineError } from '../errors.ts';
import { type RootHandle, statInRoot } from '../host/resolve-in-root.ts';

/** Where a file system is mounted: missing, or a real directory. */
const DIRECTORIES = ['/proc', '/sys', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue'];

/** Where a device is made or bound: missing, or anything that is not a link. */
const DEVICES = ['console', 'null', 'zero', 'full', 'random', 'urandom', 'tty'];

/**
 * Checks a mounted root file system; nothing may be mounted in it yet.
 *
 * @throws EngineError `IMAGE_INVALID` naming the path and what it is
 */
export function assertSafeRootfs(root: RootHandle): void {
  for (const path of DIRECTORIES) {
    const stats = statInRoot(root, path, { followLast: false });
    if (stats !== undefined && !stats.isDirectory()) {
      refuse(path, stats.isSymbolicLink() ? 'a symbolic link' : 'not a directory');
    }
  }
  for (const name of DEVICES) {
    const stats = statInRoot(root, `/dev/${name}`, { followLast: false });
    if (stats?.isSymbolicLink()) {
      refuse(`/dev/${name}`, 'a symbolic link');
    }
  }
}

function refuse(path: string, found: string): never {
  throw new EngineError(
    'IMAGE_INVALID',
    `The root file system of the image has ${found} at ${path}, through which the runtime could be led to the host.`,
  );
}
