/**
 * Looking into a tree that somebody else made, such as an image's root, without ever leaving it.
 *
 * Every path is resolved by the kernel as if the tree's directory were `/` (openat2 with
 * RESOLVE_IN_ROOT), so no symbolic link and no `..` leads out, and nothing can be swapped between
 * a check and a use. Whatever is opened is looked at before it is read: opening a device has
 * effects, and opening a fifo can hang.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { EngineError } from '../errors.ts';
import { isErrno, O_PATH, openInRoot, quotePath, withSystemErrors } from './libc.ts';

/** The directory that paths are resolved in; open until it is disposed. */
export interface RootHandle extends Disposable {
  readonly fd: number;
}

/**
 * Opens the directory `path` as a root. What is mounted there later is not seen.
 *
 * @throws SystemCallError when it is not a directory.
 */
export function openRoot(path: string): RootHandle {
  const fd = withSystemErrors(`on the root ${quotePath(path)}`, () =>
    openSync(path, O_PATH | constants.O_DIRECTORY),
  );
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/**
 * The bytes of the regular file at `path` inside the root, symbolic links followed; undefined when
 * there is none, or something else has its place.
 *
 * @throws EngineError `HOST_CALL_FAILED` when the file is larger than `maxBytes`.
 */
export function readFileInRoot(
  root: RootHandle,
  path: string | Buffer,
  maxBytes: number,
): Buffer | undefined {
  return withNode({ root, path }, 0, (fd) => {
    if (!fstatSync(fd).isFile()) {
      return undefined;
    }
    // The descriptor pins the file, so this opens the very file that was looked at.
    const readable = openSync(descriptorPath(fd), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return readUpTo(readable, maxBytes, path);
    } finally {
      closeSync(readable);
    }
  });
}

/** What is at `path` inside the root, or undefined; `followLast` decides about a link in last place. */
export function statInRoot(
  root: RootHandle,
  path: string | Buffer,
  { followLast }: { readonly followLast: boolean },
): Stats | undefined {
  const flags = followLast ? 0 : constants.O_NOFOLLOW;
  return withNode({ root, path }, flags, (fd) => fstatSync(fd));
}

/** The attributes of directories that are made. */
export interface DirectoryAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Makes the directory `path` inside the root, and its missing parents, all with the given
 * attributes; a directory that is there already stays as it is. `path` is cleaned of `..` as text
 * first, as docker does; links to directories are followed inside the root. Idempotent.
 *
 * @throws SystemCallError: `ENOTDIR` when something else is in the way, `EEXIST` for a link to
 * nothing.
 */
export function makeDirectoryInRoot(
  root: RootHandle,
  path: string,
  attributes: DirectoryAttributes,
): void {
  const { fd, missing } = openDeepest(root, join('/', path));
  let parent = fd;
  try {
    for (const name of missing) {
      const child = withSystemErrors(`while making ${quotePath(path)} in its root`, () =>
        makeDirectoryAt(parent, name, attributes),
      );
      closeSync(parent);
      parent = child;
    }
  } finally {
    closeSync(parent);
  }
}

function openDeepest(root: RootHandle, path: string): { fd: number; missing: string[] } {
  const missing: string[] = [];
  for (let existing = path; ; existing = dirname(existing)) {
    try {
      return { fd: openInRoot(root.fd, existing, O_PATH | constants.O_DIRECTORY), missing };
    } catch (error) {
      if (!isErrno(error, 'ENOENT') || existing === '/') {
        throw error;
      }
      missing.unshift(basename(existing));
    }
  }
}

// One component below an open directory: nothing is left for a link to redirect.
function makeDirectoryAt(parent: number, name: string, attributes: DirectoryAttributes): number {
  const path = join(descriptorPath(parent), name);
  mkdirSync(path, { mode: attributes.mode });
  const fd = openSync(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    chownSync(descriptorPath(fd), attributes.uid, attributes.gid);
    // Again, since the umask cut it.
    chmodSync(descriptorPath(fd), attributes.mode);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function descriptorPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** Calls `use` with an O_PATH descriptor of what is at `path`; undefined when nothing is there. */
function withNode<T>(
  where: { readonly root: RootHandle; readonly path: string | Buffer },
  flags: number,
  use: (fd: number) => T,
): T | undefined {
  const fd = openIfPresent(where.root, where.path, O_PATH | flags);
  if (fd === undefined) {
    return undefined;
  }
  try {
    return withSystemErrors(`on ${quotePath(where.path)} in its root`, () => use(fd));
  } finally {
    closeSync(fd);
  }
}

// What no path lookup from inside the root would find either.
const ABSENT = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'];

function openIfPresent(root: RootHandle, path: string | Buffer, flags: number): number | undefined {
  try {
    return openInRoot(root.fd, path, flags);
  } catch (error) {
    if (ABSENT.some((name) => isErrno(error, name))) {
      return undefined;
    }
    throw error;
  }
}

function readUpTo(fd: number, maxBytes: number, path: string | Buffer): Buffer {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(Math.min(maxBytes - total + 1, 65_536));
    const length = readSync(fd, chunk);
    if (length === 0) {
      return Buffer.concat(chunks);
    }
    total += length;
    if (total > maxBytes) {
      throw new EngineError(
        'HOST_CALL_FAILED',
        `The file ${quotePath(path)} in its root is larger than ${maxBytes} bytes.`,
      );
    }
    chunks.push(chunk.subarray(0, length));
  }
}
