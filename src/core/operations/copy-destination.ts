/** Where `cp` writes: the directory is opened once, and everything is made below it. */
import { closeSync, constants, fstatSync, openSync, readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import { EngineError, quote } from '../errors.ts';
import { isErrno, O_PATH, openInRoot, withSystemErrors } from '../host/libc.ts';
import { childPath } from '../rootfs/live-tree.ts';
import {
  directoriesBelow,
  directoriesInRoot,
  type TreeDirectories,
} from '../rootfs/tree-directories.ts';
import type { CopyPath, CopyTarget, DestinationKind } from './copy-arguments.ts';

/** A destination that was looked at. Disposing closes what it opened. */
export interface Destination extends Disposable {
  readonly kind: DestinationKind;
  readonly path: CopyPath;
  /**
   * The directories below the destination, or below its parent, as `target` says; disposed by the
   * caller.
   *
   * @throws EngineError `USAGE_INVALID` when there is no such directory
   */
  directoriesFor(target: CopyTarget): TreeDirectories;
}

/** A path in a container, where links are followed inside its root. */
export function openContainerDestination(rootFd: number, typed: CopyPath): Destination {
  const open = (text: string, flags: number): number => openInRoot(rootFd, text, flags);
  const { path, kind } = lookAt(typed, open);
  return {
    kind,
    path,
    directoriesFor: (target) => {
      const base = target.kind === 'into' ? path.path : posix.dirname(path.path);
      closeSync(openDirectory(base, open));
      return directoriesInRoot(rootFd, base);
    },
    [Symbol.dispose]: () => {},
  };
}

/** A path on the host. Links on the way to it are the user's own; below it none is followed. */
export function openHostDestination(typed: CopyPath): Destination {
  const release = new DisposableStack();
  const open = (text: string, flags: number): number =>
    withSystemErrors(`on ${quote(text)}`, () => openSync(text, flags));
  const { path, kind } = lookAt(typed, open);
  return {
    kind,
    path,
    directoriesFor: (target) => {
      const base = target.kind === 'into' ? path.path : posix.dirname(path.path);
      const fd = openDirectory(base, open);
      release.defer(() => closeSync(fd));
      return directoriesBelow(fd);
    },
    [Symbol.dispose]: () => release.dispose(),
  };
}

type Open = (path: string, flags: number) => number;

const MOST_LINKS = 40;

/** What is there. A link to a file, or to nothing, stands for what it leads to, as docker has it. */
function lookAt(typed: CopyPath, open: Open): { path: CopyPath; kind: DestinationKind } {
  const kind = kindOf(typed, open);
  if (kind === 'directory') return { path: typed, kind };
  let { path } = typed;
  for (let links = 0; links < MOST_LINKS; links += 1) {
    const target = linkAt(path, open);
    if (target === undefined) break;
    path = posix.resolve(posix.dirname(path), target);
  }
  return { path: { ...typed, path }, kind };
}

function linkAt(path: string, open: Open): string | undefined {
  let parent: number;
  try {
    parent = open(posix.dirname(path), O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].some((code) => isErrno(error, code))) return undefined;
    throw error;
  }
  try {
    return readlinkSync(childPath(parent, Buffer.from(posix.basename(path))));
  } catch (error) {
    if (isErrno(error, 'EINVAL') || isErrno(error, 'ENOENT')) return undefined;
    throw error;
  } finally {
    closeSync(parent);
  }
}

function kindOf({ path }: CopyPath, open: Open): DestinationKind {
  let fd: number;
  try {
    fd = open(path, O_PATH);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 'missing';
    throw explained(error, path);
  }
  try {
    return fstatSync(fd).isDirectory() ? 'directory' : 'other';
  } finally {
    closeSync(fd);
  }
}

function openDirectory(path: string, open: Open): number {
  try {
    return open(path, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    throw explained(error, path);
  }
}

function explained(error: unknown, path: string): unknown {
  const why = isErrno(error, 'ENOENT')
    ? 'does not exist'
    : isErrno(error, 'ENOTDIR')
      ? 'is not a directory, or leads through a file'
      : isErrno(error, 'ELOOP')
        ? 'leads through links that cannot be followed'
        : undefined;
  if (why === undefined) return error;
  return new EngineError('USAGE_INVALID', `the destination ${quote(path)} ${why}`, {
    hint: 'Make its directory first.',
    cause: error,
  });
}
