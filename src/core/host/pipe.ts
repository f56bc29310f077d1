/** Real pipes. Node makes sockets of its own, which nobody can open again through /dev/stdout. */
import { Socket } from 'node:net';
import { isatty, ReadStream } from 'node:tty';
import { nativeFunction } from './ffi.ts';
import { throwLastError } from './libc.ts';

const pipe2 = nativeFunction('pipe2', { arguments: ['pointer', 'i32'], return: 'i32' });
const O_CLOEXEC = 0x8_0000;

/** The two ends of a pipe. Whoever asked for it closes both. */
export interface Pipe {
  readonly readFd: number;
  readonly writeFd: number;
}

/** @throws SystemCallError */
export function makePipe(): Pipe {
  const ends = Buffer.alloc(8);
  if (pipe2()(ends, O_CLOEXEC) !== 0) throwLastError('pipe2', 'while making a pipe');
  return { readFd: ends.readInt32LE(0), writeFd: ends.readInt32LE(4) };
}

/** Reading that goes on by itself. */
export interface Drain extends Disposable {
  /** Resolves when all writing ends are closed and everything was given on, or after disposing. */
  readonly ended: Promise<void>;
}

const CHUNK_BYTES = 65_536;

/**
 * Gives everything that arrives at `readFd`, a pipe or a terminal's, to `onChunk`, whose buffer is
 * used again as soon as it returns. While `onChunk` works nothing more is read, so a writer that is
 * faster waits. The descriptor is closed at the end, or by disposing.
 */
export function drainPipe(readFd: number, onChunk: (chunk: Buffer) => void): Drain {
  const { promise, resolve } = Promise.withResolvers<void>();
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const onread = {
    buffer,
    callback: (length: number) => {
      onChunk(buffer.subarray(0, length));
      return true;
    },
  };
  // Node's types know `onread` for connect() only; the constructors take it as well.
  const options: object = { onread, readable: true, writable: false };
  const socket = isatty(readFd)
    ? new ReadStream(readFd, options)
    : new Socket({ fd: readFd, ...options });
  socket.on('error', () => {});
  socket.on('close', () => resolve());
  socket.resume();
  return { ended: promise, [Symbol.dispose]: () => void socket.destroy() };
}
