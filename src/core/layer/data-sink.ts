/** Where the bytes of a layer data file go: into a file, or against the file that is there. */
import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { withSystemErrors } from '../host/libc.ts';

/** Receives a layer data file from front to back. */
export interface LayerDataSink {
  /**
   * The next run: `position` and length are multiples of 4096. Whatever lies between two runs is
   * zero. `bytes` is valid only during the call.
   */
  write(bytes: Buffer, position: number): void;
  /** There are no more runs; `sizeBytes` is the length of the file, a multiple of 4096. */
  end(sizeBytes: number): void;
}

/**
 * Writes to `fd`, which must be an empty file open for writing and stays the caller's. What is zero
 * between two runs becomes a hole. Nothing is synced.
 *
 * `write` and `end` throw SystemCallError, such as `ENOSPC`.
 */
export function fileDataSink(fd: number): LayerDataSink {
  return {
    write: (bytes, position) => writeFully(fd, bytes, position),
    end: (sizeBytes) =>
      withSystemErrors('while writing a layer data file', () => ftruncateSync(fd, sizeBytes)),
  };
}

/** A sink that changes nothing and tells whether the file holds exactly these bytes. */
export interface ComparingSink extends LayerDataSink {
  /** Whether no difference was seen; final after `end`. */
  readonly isEqual: boolean;
}

const COMPARED_AT_ONCE = 1024 * 1024;
const ZEROS = Buffer.alloc(COMPARED_AT_ONCE);

/**
 * Compares with the file behind `fd`, which must be open for reading and stays the caller's.
 *
 * `write` and `end` throw SystemCallError when the file cannot be read.
 */
export function compareDataSink(fd: number): ComparingSink {
  const found = Buffer.alloc(COMPARED_AT_ONCE);
  let isEqual = true;
  let compared = 0;
  const compare = (expected: Buffer, position: number): void => {
    for (let at = 0; isEqual && at < expected.length; at += found.length) {
      const part = expected.subarray(at, at + found.length);
      isEqual = readFully(fd, found, position + at) >= part.length;
      isEqual &&= part.equals(found.subarray(0, part.length));
    }
  };
  const compareZerosUpTo = (position: number): void => {
    for (; isEqual && compared < position; compared += ZEROS.length) {
      compare(ZEROS.subarray(0, Math.min(ZEROS.length, position - compared)), compared);
    }
  };
  return {
    get isEqual() {
      return isEqual;
    },
    write(bytes, position) {
      compareZerosUpTo(position);
      compare(bytes, position);
      compared = position + bytes.length;
    },
    end(sizeBytes) {
      compareZerosUpTo(sizeBytes);
      isEqual &&= fstatSync(fd).size === sizeBytes;
    },
  };
}

/** Writes all of `bytes` at `position`. @throws SystemCallError */
export function writeFully(fd: number, bytes: Buffer, position: number): void {
  withSystemErrors('while writing a layer', () => {
    for (let at = 0; at < bytes.length; ) {
      at += writeSync(fd, bytes, at, bytes.length - at, position + at);
    }
  });
}

function readFully(fd: number, buffer: Buffer, position: number): number {
  return withSystemErrors('while reading a layer data file', () => {
    let length = 0;
    for (;;) {
      const read = readSync(fd, buffer, length, buffer.length - length, position + length);
      length += read;
      if (read === 0 || length === buffer.length) return length;
    }
  });
}
