/**
 * The Linux calls that Node lacks, each under the name of what it is for.
 *
 * All are synchronous and belong on the main thread: `unshare` and errno are per thread. A call
 * that fails throws `SystemCallError`. Paths are bytes, because names inside images need not be
 * UTF-8. Calls are chosen so that their arguments are the same on x86-64 and arm64; where glibc
 * may lack a wrapper the call goes through `syscall`, whose numbers from 424 on are the same on
 * both.
 */
import { readdirSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { EngineError, type EngineErrorOptions, hasErrno, quote } from '../errors.ts';
import { describeErrno, errnoName } from './errno.ts';
import { lastErrno, nativeFunction } from './ffi.ts';
import { SYS_CLOSE_RANGE, SYS_OPENAT2, sysMknodat, systemCall } from './system-call.ts';

/** A call into the operating system that failed; `errno` is its name, such as `EPERM`. */
export class SystemCallError extends EngineError {
  readonly call: string;
  readonly errno: string;

  /** `where` completes the sentence "<call> failed <where>", such as `on "/a/b"`. */
  constructor(
    failure: { readonly call: string; readonly errno: string },
    where: string,
    options: EngineErrorOptions = {},
  ) {
    super('HOST_CALL_FAILED', `${failure.call} failed ${where}: ${describeErrno(failure.errno)}.`, {
      ...hintFor(failure.errno),
      ...options,
    });
    this.name = 'SystemCallError';
    this.call = failure.call;
    this.errno = failure.errno;
  }
}

const FULL = 'Free space there; "dray gc" and "dray image gc" remove what is not needed.';
const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  EROFS: 'Remount that file system for writing, or choose another store with "--root DIR".',
};

/** What a person can do about it, where that is always the same. */
function hintFor(errno: string): { readonly hint?: string } {
  const hint = HINTS[errno];
  return hint === undefined ? {} : { hint };
}

/**
 * Whether `error` is a `SystemCallError` or a system error of Node with this errno name. Of two
 * names for one number this is Node's choice: `EAGAIN` (not `EWOULDBLOCK`) and `ENOTSUP` (not `EOPNOTSUPP`).
 */
export function isErrno(error: unknown, name: string): boolean {
  return error instanceof SystemCallError ? error.errno === name : hasErrno(error, name);
}

/**
 * Runs `action` and returns its result; a system error that Node throws in it becomes a
 * `SystemCallError` whose sentence ends with `where`. Anything else passes unchanged.
 */
export function withSystemErrors<T>(where: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw asSystemCallError(error, where);
  }
}

/** `error` as a `SystemCallError` if it is a system error of Node, else `error` itself. */
export function asSystemCallError(error: unknown, where: string): unknown {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) {
    return error;
  }
  const failure = { call: String(error.syscall), errno: String(error.code) };
  return new SystemCallError(failure, where, { cause: error });
}

/** Throws the `SystemCallError` for the native call that has just returned -1. */
export function throwLastError(call: string, where: string): never {
  throw new SystemCallError({ call, errno: errnoName(lastErrno()) }, where);
}

/** `path` as a C string. Throws `HOST_CALL_FAILED` for a path with a NUL byte. */
export function cString(path: string | Buffer): Buffer {
  const bytes = typeof path === 'string' ? Buffer.from(path) : path;
  if (bytes.includes(0)) {
    throw new EngineError('HOST_CALL_FAILED', `The path ${quotePath(bytes)} has a NUL byte.`);
  }
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}

/** A path of any bytes as it is shown in messages. */
export function quotePath(path: string | Buffer): string {
  return quote(typeof path === 'string' ? path : path.toString());
}

const flock = nativeFunction('flock', { arguments: ['i32', 'i32'], return: 'i32' });

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/**
 * Tries to take the advisory lock of the open file behind `fd`; false when somebody else has it.
 * The lock belongs to the open file description: it ends when its last descriptor is closed.
 */
export function tryFlock(fd: number, mode: 'shared' | 'exclusive'): boolean {
  if (flock()(fd, (mode === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) {
    return true;
  }
  if (lastErrno() === osConstants.errno.EWOULDBLOCK) {
    return false;
  }
  return throwLastError('flock', `on descriptor ${fd}`);
}

/** Releases the lock of the open file behind `fd`, for every descriptor that shares it. */
export function unlockFlock(fd: number): void {
  if (flock()(fd, LOCK_UN) !== 0) {
    throwLastError('flock', `on descriptor ${fd}`);
  }
}

/** The bit of `close_range` that marks descriptors instead of closing them. */
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_DESCRIPTOR = 0xffff_ffff;

/**
 * Marks every descriptor from `from` up close-on-exec, so that no child inherits it. Node does the
 * same when it starts, but stops at the first gap above 15, and a host directory that reaches a
 * container through an inherited descriptor is an escape (CVE-2024-21626).
 */
export function markDescriptorsCloseOnExec(from: number): void {
  if (systemCall(SYS_CLOSE_RANGE, from, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC) !== 0) {
    // Kernels before 5.11 have no close_range or not this bit of it.
    markEachDescriptorCloseOnExec(from);
  }
}

const fcntl = nativeFunction('fcntl', { arguments: ['i32', 'i32', 'i64'], return: 'i32' });
const F_SETFD = 2;
const FD_CLOEXEC = 1n;

/** What `markDescriptorsCloseOnExec` does on kernels before 5.11: one call for each descriptor. */
export function markEachDescriptorCloseOnExec(from: number): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    // The listing's own descriptor is closed by now, which is the only failure there can be.
    if (fd >= from) {
      fcntl()(fd, F_SETFD, FD_CLOEXEC);
    }
  }
}

const CLONE_NEWNS = 0x20000;
const MS_REC = 0x4000;
const MS_SLAVE = 0x8_0000;

const unshare = nativeFunction('unshare', { arguments: ['i32'], return: 'i32' });

/**
 * Gives the main thread a mount namespace of its own, in which no mount reaches the host while
 * mounts and unmounts of the host still arrive. What is mounted from here on ends with this
 * process and the children that it starts.
 *
 * Node's thread pool stays in the old namespace: from here on only synchronous file calls and
 * child processes see the new mounts.
 */
export function unsharePrivateMounts(): void {
  if (unshare()(CLONE_NEWNS) !== 0) {
    throwLastError('unshare', 'while making a private mount namespace');
  }
  mountCall(null, '/', { type: null, flags: MS_REC | MS_SLAVE, data: null });
}

const mount = nativeFunction('mount', {
  arguments: ['pointer', 'pointer', 'pointer', 'u64', 'pointer'],
  return: 'i32',
});
const umount2 = nativeFunction('umount2', { arguments: ['pointer', 'i32'], return: 'i32' });

/** What mount(2) takes besides source and target. */
export interface MountArguments {
  readonly type: string | null;
  readonly flags: number;
  /** At most 4095 bytes of options. */
  readonly data: string | null;
}

/** mount(2). */
export function mountCall(source: string | null, target: string, options: MountArguments): void {
  const { type, flags, data } = options;
  const [from, kind, text] = [source, type, data].map((part) =>
    part === null ? null : cString(part),
  );
  if (mount()(from ?? null, cString(target), kind ?? null, BigInt(flags), text ?? null) !== 0) {
    throwLastError('mount', `on ${quotePath(target)}`);
  }
}

/** umount2(2), with its `MNT_` and `UMOUNT_` flags. */
export function unmountCall(target: string, flags: number): void {
  if (umount2()(cString(target), flags) !== 0) {
    throwLastError('umount2', `on ${quotePath(target)}`);
  }
}

/** `open` for a place in the tree only, not for content: no device acts, no fifo waits. */
export const O_PATH = 0x20_0000;

// struct open_how: flags, mode, resolve; 64 bits each.
const OPEN_HOW_SIZE = 24;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
const O_CLOEXEC = 0x8_0000;
const MOST_RACES = 64;

/**
 * Opens `path` as a process whose root is the directory `rootFd` would: absolute symbolic links
 * and `..` stay inside it. Links of /proc that lead elsewhere are refused with `ELOOP`. `flags` are
 * those of open(2); the descriptor is close-on-exec, and the caller closes it.
 */
export function openInRoot(rootFd: number, path: string | Buffer, flags: number): number {
  const how = Buffer.alloc(OPEN_HOW_SIZE);
  how.writeBigUInt64LE(BigInt((flags | O_CLOEXEC) >>> 0), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT), 16);
  const name = cString(path);
  // EAGAIN: something was renamed while the kernel resolved a "..", so it could not be sure.
  for (let attempt = 1; ; attempt++) {
    const fd = systemCall(SYS_OPENAT2, rootFd, name, how, how.length);
    if (fd >= 0) {
      return fd;
    }
    if (lastErrno() !== osConstants.errno.EAGAIN || attempt === MOST_RACES) {
      return throwLastError('openat2', `on ${quotePath(path)} in its root`);
    }
  }
}

const syncfs = nativeFunction('syncfs', { arguments: ['i32'], return: 'i32' });

/** Makes everything durable that was written to the file system that holds the open file `fd`. */
export function syncFilesystem(fd: number): void {
  if (syncfs()(fd) !== 0) {
    throwLastError('syncfs', `on descriptor ${fd}`);
  }
}

/** The working directory, where a call takes a directory's descriptor. */
export const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

/** Makes a device node, fifo or socket; `mode` has its `S_IFMT` bits, and the umask cuts the rest. */
export function mknod(
  path: Buffer,
  mode: number,
  device: { readonly major: number; readonly minor: number },
): void {
  const { major, minor } = device;
  // The kernel's own layout of a 32-bit device number, not glibc's of 64 bits.
  const packed = ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
  if (systemCall(sysMknodat(), AT_FDCWD, cString(path), mode, packed) !== 0) {
    throwLastError('mknodat', `on ${quotePath(path)}`);
  }
}

const lsetxattr = nativeFunction('lsetxattr', {
  arguments: ['pointer', 'pointer', 'pointer', 'u64', 'i32'],
  return: 'i32',
});
const lgetxattr = nativeFunction('lgetxattr', {
  arguments: ['pointer', 'pointer', 'pointer', 'u64'],
  return: 'i64',
});
const llistxattr = nativeFunction('llistxattr', {
  arguments: ['pointer', 'pointer', 'u64'],
  return: 'i64',
});

// The kernel's limit for one value, and for one list of names.
const LARGEST_XATTR = 65_536;

/** Sets or replaces an extended attribute of `path` itself, without following a symbolic link. */
export function setXattr(path: Buffer, name: Buffer, value: Buffer): void {
  const length = BigInt(value.length);
  if (lsetxattr()(cString(path), cString(name), value, length, 0) !== 0) {
    throwLastError('lsetxattr', `for ${quotePath(name)} on ${quotePath(path)}`);
  }
}

/** The value of an extended attribute of `path` itself; a missing one is `ENODATA`. */
export function getXattr(path: Buffer, name: Buffer): Buffer {
  const value = Buffer.allocUnsafe(LARGEST_XATTR);
  const length = lgetxattr()(cString(path), cString(name), value, BigInt(LARGEST_XATTR));
  if (length < 0n) {
    throwLastError('lgetxattr', `for ${quotePath(name)} on ${quotePath(path)}`);
  }
  return Buffer.from(value.subarray(0, Number(length)));
}

/** The names of all extended attributes of `path` itself, as the kernel orders them. */
export function listXattrs(path: Buffer): Buffer[] {
  const list = Buffer.allocUnsafe(LARGEST_XATTR);
  const length = Number(llistxattr()(cString(path), list, BigInt(LARGEST_XATTR)));
  if (length < 0) {
    throwLastError('llistxattr', `on ${quotePath(path)}`);
  }
  const names: Buffer[] = [];
  for (let start = 0; start < length; ) {
    const end = list.indexOf(0, start);
    names.push(Buffer.from(list.subarray(start, end)));
    start = end + 1;
  }
  return names;
}

const utimensat = nativeFunction('utimensat', {
  arguments: ['i32', 'pointer', 'pointer', 'i32'],
  return: 'i32',
});

/**
 * Sets the modification and access times of `path` itself, without following a symbolic link.
 * Whole seconds since 1970 may be negative; nanoseconds are 0 to 999,999,999 and count forward.
 */
export function setTimes(path: Buffer, mtimeSeconds: number, mtimeNanoseconds: number): void {
  const times = Buffer.alloc(32);
  for (const offset of [0, 16]) {
    times.writeBigInt64LE(BigInt(mtimeSeconds), offset);
    times.writeBigInt64LE(BigInt(mtimeNanoseconds), offset + 8);
  }
  if (utimensat()(AT_FDCWD, cString(path), times, AT_SYMLINK_NOFOLLOW) !== 0) {
    throwLastError('utimensat', `on ${quotePath(path)}`);
  }
}

const getpagesize = nativeFunction('getpagesize', { arguments: [], return: 'i32' });

/** The size of a memory page, in bytes. */
export function pageSize(): number {
  return getpagesize()();
}
