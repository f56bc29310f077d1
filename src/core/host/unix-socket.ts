/**
 * Sockets of the file system that Node cannot make: datagrams, and descriptors that travel through a
 * stream. All calls return at once.
 */
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { EngineError, quote } from '../errors.ts';
import { lastErrno, nativeFunction, pointerTo } from './ffi.ts';
import { throwLastError } from './libc.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK_CLOEXEC = 0x800 | 0x8_0000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const LONGEST_NAME = 107;

const socket = nativeFunction('socket', { arguments: ['i32', 'i32', 'i32'], return: 'i32' });
const bind = nativeFunction('bind', { arguments: ['i32', 'pointer', 'u32'], return: 'i32' });
const listen = nativeFunction('listen', { arguments: ['i32', 'i32'], return: 'i32' });
const accept4 = nativeFunction('accept4', {
  arguments: ['i32', 'pointer', 'pointer', 'i32'],
  return: 'i32',
});
const recv = nativeFunction('recv', {
  arguments: ['i32', 'pointer', 'u64', 'i32'],
  return: 'i64',
});
const recvmsg = nativeFunction('recvmsg', { arguments: ['i32', 'pointer', 'i32'], return: 'i64' });
const sendto = nativeFunction('sendto', {
  arguments: ['i32', 'pointer', 'u64', 'i32', 'pointer', 'u32'],
  return: 'i64',
});

/** A socket with a name in the file system. Disposing closes it and removes the name. */
export interface BoundSocket extends Disposable {
  readonly fd: number;
  /** A path of at most 107 bytes that leads to it while this process holds it open. */
  readonly shortPath: string;
}

/** Makes a socket for datagrams at `path`, which must not exist. @throws SystemCallError */
export function bindDatagramSocket(path: string): BoundSocket {
  return bindSocket(SOCK_DGRAM, path);
}

/** Makes a socket at `path` that others connect to. @throws SystemCallError */
export function listenAt(path: string): BoundSocket {
  const bound = bindSocket(SOCK_STREAM, path);
  if (listen()(bound.fd, 1) !== 0) throwLastError('listen', `on ${quote(path)}`);
  return bound;
}

function bindSocket(type: number, path: string): BoundSocket {
  const fd = openSocket(type);
  // A socket's address is short; the path of a container's directory is not.
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  const name = basename(path);
  const address = socketAddress(join('/proc/self/fd', String(directory), name));
  if (bind()(fd, address, address.length) !== 0) throwLastError('bind', `to ${quote(path)}`);
  return {
    fd,
    shortPath: join(`/proc/${process.pid}/fd`, String(directory), name),
    [Symbol.dispose]: () => {
      closeSync(fd);
      closeSync(directory);
      rmSync(path, { force: true });
    },
  };
}

/** The next datagram, at most `maxBytes` of it; undefined when there is none. */
export function receiveDatagram(fd: number, maxBytes: number): Buffer | undefined {
  const bytes = Buffer.alloc(maxBytes);
  const length = Number(recv()(fd, bytes, BigInt(maxBytes), MSG_DONTWAIT));
  if (length >= 0) return bytes.subarray(0, length);
  if (isNothingYet()) return undefined;
  return throwLastError('recv', `from socket ${fd}`);
}

/**
 * Sends one datagram to a socket: a path, or `@` and an abstract name.
 *
 * @throws SystemCallError; EngineError `USAGE_INVALID` for a name that is too long
 */
export function sendDatagram(name: string, text: string): void {
  const fd = openSocket(SOCK_DGRAM);
  try {
    const bytes = Buffer.from(text);
    const address = socketAddress(name);
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const sent = sendto()(fd, bytes, BigInt(bytes.length), flags, address, address.length);
    if (sent < 0n) throwLastError('sendto', `to the socket ${quote(name)}`);
  } finally {
    closeSync(fd);
  }
}

/** The next connection to a listening socket; undefined when there is none. The caller closes it. */
export function acceptConnection(fd: number): number | undefined {
  const connection = accept4()(fd, null, null, SOCK_NONBLOCK_CLOEXEC);
  if (connection >= 0) return connection;
  if (isNothingYet()) return undefined;
  return throwLastError('accept4', `on socket ${fd}`);
}

// struct msghdr, struct iovec and struct cmsghdr of 64-bit Linux.
const MSGHDR_SIZE = 56;
const CMSG_HEADER_SIZE = 16;

/** A descriptor that comes through a connection; undefined when none has come. The caller closes it. */
export function receiveDescriptor(connection: number): number | undefined {
  const payload = Buffer.alloc(4096);
  const control = Buffer.alloc(64);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(pointerTo(payload), 0);
  vector.writeBigUInt64LE(BigInt(payload.length), 8);
  const message = Buffer.alloc(MSGHDR_SIZE);
  message.writeBigUInt64LE(pointerTo(vector), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(pointerTo(control), 32);
  message.writeBigUInt64LE(BigInt(control.length), 40);
  if (recvmsg()(connection, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0n) {
    if (isNothingYet()) return undefined;
    return throwLastError('recvmsg', `from socket ${connection}`);
  }
  const isDescriptor =
    message.readBigUInt64LE(40) >= BigInt(CMSG_HEADER_SIZE + 4) &&
    control.readInt32LE(8) === SOL_SOCKET &&
    control.readInt32LE(12) === SCM_RIGHTS;
  return isDescriptor ? control.readInt32LE(CMSG_HEADER_SIZE) : undefined;
}

function openSocket(type: number): number {
  const fd = socket()(AF_UNIX, type | SOCK_NONBLOCK_CLOEXEC, 0);
  return fd >= 0 ? fd : throwLastError('socket', 'while making a local socket');
}

function socketAddress(name: string): Buffer {
  const bytes = Buffer.from(name.startsWith('@') ? `\0${name.slice(1)}` : name);
  if (bytes.length > LONGEST_NAME) {
    throw new EngineError('USAGE_INVALID', `the name of the socket ${quote(name)} is too long`);
  }
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  // An abstract name has no end mark: all bytes count.
  return Buffer.concat([family, bytes, Buffer.alloc(name.startsWith('@') ? 0 : 1)]);
}

function isNothingYet(): boolean {
  const { EAGAIN, EINTR } = osConstants.errno;
  return lastErrno() === EAGAIN || lastErrno() === EINTR;
}
