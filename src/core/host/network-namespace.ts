/**
 * Network namespaces of containers, each kept alive by a mount in this process's own mount namespace:
 * it ends with the last process of either, whatever kills us, and the host sees no name of it.
 */
import { closeSync, constants, openSync, statfsSync, writeFileSync } from 'node:fs';
import { EngineError } from '../errors.ts';
import { nativeFunction } from './ffi.ts';
import { isErrno, quotePath, throwLastError, withSystemErrors } from './libc.ts';
import { mountBind, unmount } from './mount.ts';
import { setInterfaceUp } from './network-interface.ts';

const CLONE_NEWNET = 0x4000_0000;
const NSFS_MAGIC = 0x6e73_6673;
const NS_GET_NSTYPE = 0xb703n;

const unshare = nativeFunction('unshare', { arguments: ['i32'], return: 'i32' });
const ioctl = nativeFunction('ioctl', { arguments: ['i32', 'u64', 'pointer'], return: 'i32' });
const setns = nativeFunction('setns', { arguments: ['i32', 'i32'], return: 'i32' });

/**
 * Makes a network namespace with a loopback device that is up, and mounts it on the file `path`,
 * which is made. The process must be in a mount namespace of its own. `unmountNetworkNamespace`
 * lets go of it.
 *
 * @throws SystemCallError
 */
export function mountNewNetworkNamespace(path: string): void {
  inNetworkNamespace('new', () => {
    setInterfaceUp('lo');
    mountNetworkNamespace('/proc/self/ns/net', path);
  });
}

/**
 * Mounts the network namespace that is at `source` (of a process, or kept somewhere) on the file
 * `path`, which is made.
 *
 * @throws EngineError `USAGE_INVALID` when `source` is no network namespace; SystemCallError
 */
export function mountNetworkNamespace(source: string, path: string): void {
  const fd = withSystemErrors(`on ${quotePath(source)}`, () =>
    openSync(source, constants.O_RDONLY),
  );
  try {
    const pinned = `/proc/self/fd/${fd}`;
    if (!isNetworkNamespace(pinned)) {
      throw new EngineError('USAGE_INVALID', `${quotePath(source)} is no network namespace`);
    }
    withSystemErrors(`while making ${quotePath(path)}`, () =>
      writeFileSync(path, '', { mode: 0o600 }),
    );
    mountBind(pinned, path);
  } finally {
    closeSync(fd);
  }
}

/** Whether a namespace of this kind is at `path`, and not a plain file, or nothing. */
export function isNetworkNamespace(path: string): boolean {
  try {
    if (statfsSync(path).type !== NSFS_MAGIC) return false;
    const fd = openSync(path, constants.O_RDONLY);
    try {
      return ioctl()(fd, NS_GET_NSTYPE, null) === CLONE_NEWNET;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Lets go of a namespace that was mounted on `path`. Idempotent. @throws SystemCallError */
export function unmountNetworkNamespace(path: string): void {
  try {
    unmount(path, { detach: true });
  } catch (error) {
    // EINVAL: nothing is mounted there.
    if (!isErrno(error, 'EINVAL') && !isErrno(error, 'ENOENT')) throw error;
  }
}

/**
 * Runs `action` in a new network namespace, or in the one at a path, and returns its result. Only
 * synchronous calls of the main thread, and children that are started meanwhile, are in it.
 *
 * @throws SystemCallError
 */
export function inNetworkNamespace<T>(
  where: 'new' | { readonly path: string },
  action: () => T,
): T {
  const home = openSync('/proc/self/ns/net', constants.O_RDONLY);
  try {
    if (where === 'new') {
      if (unshare()(CLONE_NEWNET) !== 0) {
        throwLastError('unshare', 'while making a network namespace');
      }
    } else {
      enter(where.path);
    }
    try {
      return action();
    } finally {
      if (setns()(home, CLONE_NEWNET) !== 0) {
        throwLastError('setns', 'while leaving a network namespace');
      }
    }
  } finally {
    closeSync(home);
  }
}

function enter(path: string): void {
  const fd = withSystemErrors(`on ${quotePath(path)}`, () => openSync(path, constants.O_RDONLY));
  try {
    if (setns()(fd, CLONE_NEWNET) !== 0) {
      throwLastError('setns', `into the network namespace ${quotePath(path)}`);
    }
  } finally {
    closeSync(fd);
  }
}
