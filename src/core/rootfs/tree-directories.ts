/** The directories that a tree is written into, opened safely one after the other. */
import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { EngineError, hasErrno, quote, quoteBytes } from '../errors.ts';
import { isErrno, O_PATH, openInRoot } from '../host/libc.ts';
import { makeDirectoryInRoot } from '../host/resolve-in-root.ts';
import { childPath } from './live-tree.ts';

const FLAGS = O_PATH | constants.O_DIRECTORY;
const NEW_DIRECTORY = { mode: 0o755, uid: 0, gid: 0 };

/** Directories below one; disposing closes what it opened itself. */
export interface TreeDirectories extends Disposable {
  /**
   * Opens the directory `path`, relative to the base and latin1, and makes what is missing. The
   * descriptor is good until the second call after this.
   *
   * @throws EngineError `USAGE_INVALID` for a path that climbs out; a Node error or SystemCallError
   */
  open(path: string): number;
  /** Whether there is a directory of this path, by the same rules. */
  has(path: string): boolean;
}

/**
 * Directories below `baseFd`, through no link at all: what is copied out of a container must not be
 * led elsewhere on the host by what it brought along. `baseFd` stays the caller's.
 */
export function directoriesBelow(baseFd: number): TreeDirectories {
  return cached(baseFd, (path) => {
    let current = baseFd;
    for (const name of componentsOf(path)) {
      const next = openOrMake(current, Buffer.from(name, 'latin1'));
      if (current !== baseFd) closeSync(current);
      current = next;
    }
    return current;
  });
}

/**
 * Directories below `base` in the root `rootFd`, links followed as the container would: what `lib/x`
 * means where /lib is a link. The root stays the caller's.
 */
export function directoriesInRoot(rootFd: number, base: string): TreeDirectories {
  return cached(undefined, (path) => {
    const below = componentsOf(path).join('/');
    const whole = Buffer.concat([Buffer.from(`${base}/`), Buffer.from(below, 'latin1')]);
    try {
      return openInRoot(rootFd, whole, FLAGS);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    makeMissing(rootFd, whole.toString());
    return openInRoot(rootFd, whole, FLAGS);
  });
}

function makeMissing(rootFd: number, path: string): void {
  try {
    makeDirectoryInRoot({ fd: rootFd, [Symbol.dispose]: () => {} }, path, NEW_DIRECTORY);
  } catch (error) {
    if (!isErrno(error, 'EEXIST') && !isErrno(error, 'ENOTDIR')) throw error;
    const message = `the directory ${quote(path)} cannot be made in the container`;
    throw new EngineError('USAGE_INVALID', `${message}: a link or a file is in the way`, {
      cause: error,
    });
  }
}

/** A hard link needs two at once, and entries of one directory come together in nearly every tree. */
const MOST_OPEN = 2;

function cached(baseFd: number | undefined, openAt: (path: string) => number): TreeDirectories {
  const opened = new Map<string, number>();
  const close = (path: string, fd: number): void => {
    opened.delete(path);
    if (fd !== baseFd) closeSync(fd);
  };
  const open = (path: string): number => {
    const known = opened.get(path);
    const fd = known ?? openAt(path);
    // Last used, last closed.
    opened.delete(path);
    opened.set(path, fd);
    const [oldest] = opened;
    if (opened.size > MOST_OPEN && oldest !== undefined) close(...oldest);
    return fd;
  };
  return {
    open,
    has: (path) => {
      try {
        open(path);
        return true;
      } catch (error) {
        if (['ENOENT', 'ENOTDIR', 'ELOOP'].some((code) => isErrno(error, code))) return false;
        throw error;
      }
    },
    [Symbol.dispose]: () => {
      for (const [path, fd] of opened) close(path, fd);
    },
  };
}

function openOrMake(parent: number, name: Buffer): number {
  const place = childPath(parent, name);
  try {
    return openSync(place, FLAGS | constants.O_NOFOLLOW);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    mkdirSync(place, { mode: 0o755 });
    return openSync(place, FLAGS | constants.O_NOFOLLOW);
  }
}

/** The names in a path of an archive. @throws EngineError `USAGE_INVALID` for one with `..` */
function componentsOf(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  if (!names.includes('..') && !path.includes('\0')) return names;
  throw new EngineError('USAGE_INVALID', `${quoteBytes(path)} leads out of where it is copied to`);
}
