/**
 * Paths inside a root file system that nothing else is changing yet: they are resolved before the
 * container starts, in the mount namespace that only we see, so what was resolved stays true.
 */
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { EngineError, hasErrno, quote } from '../errors.ts';

/** As many links as the kernel follows in one path. */
const MOST_LINKS = 40;

/**
 * The path below the root that `path` leads to, without any symbolic link in it: absolute, `/` for
 * the root itself. Links are read as the container would, `..` stops at the root, and what does not
 * exist is taken as it is written.
 *
 * @throws EngineError `IMAGE_INVALID` when links go in circles
 */
export function resolveRootPath(rootfsPath: string, path: string): string {
  const pending = segments(path).reverse();
  const resolved: string[] = [];
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '..') {
      resolved.pop();
      continue;
    }
    const target = readLink([rootfsPath, ...resolved, name].join('/'));
    if (target === undefined) {
      resolved.push(name);
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) {
      throw new EngineError('IMAGE_INVALID', `Symbolic links at ${quote(path)} go in circles.`);
    }
    if (target.startsWith('/')) {
      resolved.length = 0;
    }
    pending.push(...segments(target).reverse());
  }
  return `/${resolved.join('/')}`;
}

/** Whether `path` is `ancestor` or lies below it; both absolute and without links. */
export function isWithin(path: string, ancestor: string): boolean {
  return ancestor === '/' || path === ancestor || path.startsWith(`${ancestor}/`);
}

function segments(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function readLink(path: string): string | undefined {
  return lstatIfPresent(path)?.isSymbolicLink() ? readlinkSync(path) : undefined;
}

/**
 * What is at `path`, a link not followed; undefined when nothing is. Asking Node not to throw is
 * what makes a lookup along PATH cheap.
 */
export function lstatIfPresent(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (hasErrno(error, 'ENOTDIR')) {
      return undefined;
    }
    throw error;
  }
}
