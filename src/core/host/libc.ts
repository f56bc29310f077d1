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
import { getSystemErrorMap } from 'node:util';
import { EngineError, type EngineErrorOptions, hasErrno, quote } from '../errors.ts';
import { lastErrno, nativeFunction } from './ffi.ts';
import { SYS_CLOSE_RANGE, systemCall } from './system-call.ts';

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
    super(
      'HOST_CALL_FAILED',
      `${failure.call} failed ${where}: ${describeErrno(failure.errno)}.`,
      options,
    );
    this.name = 'SystemCallError';
    this.call = failure.call;
    this.errno = failure.errno;
  }
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

// What Node's own table lacks and our calls can give.
const MORE_ERRNOS: ReadonlyMap<number, readonly [string, string]> = new Map([
  [15, ['ENOTBLK', 'block device required']],
  [65, ['ENOPKG', 'package not installed']],
  [87, ['EUSERS', 'too many users']],
  [117, ['EUCLEAN', 'the file system structure is damaged']],
  [129, ['EKEYREJECTED', 'key was rejected by service']],
]);

function errnoName(value: number): string {
  const known = getSystemErrorMap().get(-value) ?? MORE_ERRNOS.get(value);
  return known?.[0] ?? `errno ${value}`;
}

function describeErrno(name: string): string {
  for (const [known, meaning] of [...getSystemErrorMap().values(), ...MORE_ERRNOS.values()]) {
    if (known === name) {
      return `${name} (${meaning})`;
    }
  }
  return name;
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
