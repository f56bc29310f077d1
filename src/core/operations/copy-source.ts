/** What `cp` reads: opened once, so that it stays what was looked at. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { posix } from 'node:path';
import { EngineError, quote } from '../errors.ts';
import { isErrno, O_PATH, openInRoot, withSystemErrors } from '../host/libc.ts';
import { childPath, type WalkOptions } from '../rootfs/live-tree.ts';
import type { CopyPath } from './copy-arguments.ts';

/** An open source. Disposing closes it. */
export interface OpenSource extends Disposable {
  readonly fd: number;
  readonly isDirectory: boolean;
  readonly path: CopyPath;
  /** Its last name, a latin1 string. */
  readonly name: string;
  /** For `walkLive` of `fd`. */
  readonly walkOptions: WalkOptions;
}

/**
 * Opens a path of a container, links on the way followed inside its root.
 *
 * @throws EngineError `USAGE_INVALID` when nothing is there, or a file where a directory must be
 */
export function openContainerSource(
  rootFd: number,
  path: CopyPath,
  followLink: boolean,
): OpenSource {
  return openSource(path, followLink, (text, flags) => openInRoot(rootFd, text, flags));
}

/** Opens a path of the host. @throws as `openContainerSource` */
export function openHostSource(path: CopyPath, followLink: boolean): OpenSource {
  return openSource(path, followLink, (text, flags) =>
    withSystemErrors(`on ${quote(text)}`, () => openSync(text, flags)),
  );
}

type Open = (path: string, flags: number) => number;

function openSource(path: CopyPath, followLink: boolean, open: Open): OpenSource {
  const isFollowed = followLink || path.mustBeDirectory;
  const release = new DisposableStack();
  const opened = (openIt: () => number): number => {
    const fd = explaining(path, openIt);
    release.defer(() => closeSync(fd));
    return fd;
  };
  try {
    const name = Buffer.from(posix.basename(path.path));
    const parent = opened(() => open(posix.dirname(path.path), O_PATH | constants.O_DIRECTORY));
    const isName = path.path !== '/';
    const place = childPath(parent, isName ? name : Buffer.from('.'));
    const fd = opened(() =>
      isFollowed || !isName
        ? open(path.path, O_PATH)
        : openSync(place, O_PATH | constants.O_NOFOLLOW),
    );
    const stats = fstatSync(fd);
    if (path.mustBeDirectory && !stats.isDirectory()) throw notThere(path, 'is not a directory');
    return {
      fd,
      isDirectory: stats.isDirectory(),
      path,
      name: name.toString('latin1'),
      walkOptions: isFollowed ? {} : { place },
      [Symbol.dispose]: () => release.dispose(),
    };
  } catch (error) {
    release.dispose();
    throw error;
  }
}

function explaining(path: CopyPath, open: () => number): number {
  try {
    return open();
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) {
      throw notThere(path, 'does not exist');
    }
    if (isErrno(error, 'ELOOP'))
      throw notThere(path, 'leads through links that cannot be followed');
    throw error;
  }
}

function notThere({ path }: CopyPath, why: string): EngineError {
  return new EngineError('USAGE_INVALID', `the source ${quote(path)} ${why}`);
}
