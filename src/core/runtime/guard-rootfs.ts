/**
 * Refuses roots that turn the runtime against the host.
 *
 * While runc sets a container up, it opens these paths as root in the host's context. Debian 12's
 * runc follows links there: with `/dev` linked to a host directory it removed and made files in
 * that directory (CVE-2026-41579; CVE-2025-31133, CVE-2025-52565, CVE-2023-27561 are of the kind).
 */
import { join } from 'node:path';
import { EngineError } from '../errors.ts';
import { lstatIfPresent } from './root-path.ts';

/** Where a file system is mounted: missing, or a real directory. Parents before children. */
const DIRECTORIES = ['/proc', '/sys', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue'];

/** Where a device is made or bound: missing, or anything that is not a link. */
const DEVICES = ['console', 'null', 'zero', 'full', 'random', 'urandom', 'tty'];

/**
 * Checks a mounted root file system that nothing else changes; nothing may be mounted in it yet.
 *
 * @throws EngineError `IMAGE_INVALID` naming the path and what it is
 */
export function assertSafeRootfs(rootfsPath: string): void {
  for (const path of DIRECTORIES) {
    const stats = lstatIfPresent(join(rootfsPath, path));
    if (stats !== undefined && !stats.isDirectory()) {
      refuse(path, stats.isSymbolicLink() ? 'a symbolic link' : 'something that is no directory');
    }
  }
  for (const name of DEVICES) {
    // /dev is no link by now, so this is the root's own.
    const path = join('/dev', name);
    if (lstatIfPresent(join(rootfsPath, path))?.isSymbolicLink()) {
      refuse(path, 'a symbolic link');
    }
  }
}

function refuse(path: string, found: string): never {
  throw new EngineError(
    'IMAGE_INVALID',
    `The root file system of the image has ${found} at ${path}, through which the runtime could be led to the host.`,
  );
}
