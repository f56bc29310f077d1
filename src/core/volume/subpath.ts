/**
 * A part of a volume, for `volume-subpath`.
 *
 * A path below a volume belongs to whoever runs in its containers: it may be, or become, a link to a
 * place of the host. So it is opened by the kernel as if the volume were the root (openat2), and what
 * was opened is mounted, in our private mount namespace, at a place that no container can change;
 * the runtime is given that place (CVE-2017-1002101 and CVE-2021-25741 of Kubernetes are of the kind).
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, quote } from '../errors.ts';
import { isErrno, O_PATH, openInRoot, withSystemErrors } from '../host/libc.ts';
import { mountBind } from '../host/mount.ts';
import { openRoot } from '../host/resolve-in-root.ts';
import { volumeDataDir } from './volume-paths.ts';

/**
 * Mounts what is at `subpath` in the volume of `directory`, and returns where. The mount ends with
 * this process, which must be in a mount namespace of its own; links in the path are followed inside
 * the volume.
 *
 * @throws EngineError `USAGE_INVALID` when nothing is there
 */
export function mountSubpath(directory: string, subpath: string): string {
  using root = openRoot(volumeDataDir(directory));
  const fd = openSubpath(root.fd, subpath);
  try {
    const key = createHash('sha256').update(subpath).digest('hex');
    const isDirectory = fstatSync(fd).isDirectory();
    const place = join(directory, 'subpaths', `${key}.${isDirectory ? 'dir' : 'file'}`);
    withSystemErrors(`while preparing ${quote(place)}`, () => {
      mkdirSync(isDirectory ? place : join(directory, 'subpaths'), {
        recursive: true,
        mode: 0o700,
      });
      if (!isDirectory) closeSync(openSync(place, constants.O_CREAT | constants.O_RDONLY, 0o600));
    });
    mountBind(`/proc/self/fd/${fd}`, place);
    return place;
  } finally {
    closeSync(fd);
  }
}

function openSubpath(root: number, subpath: string): number {
  try {
    return openInRoot(root, subpath, O_PATH);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].some((code) => isErrno(error, code))) {
      throw error;
    }
    throw new EngineError('USAGE_INVALID', `the volume has nothing at ${quote(subpath)}`, {
      hint: 'Make the directory in the volume first: volume-subpath makes none.',
      cause: error,
    });
  }
}
