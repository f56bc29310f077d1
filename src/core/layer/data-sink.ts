/** Where the bytes of a layer data file go: into a file, or against the file that is there. */
import { fstatSync, ftruncateSync, readSync } from 'node:fs';
import { FileWriter, RUN_BYTES } from '../host/file-writer.ts';
import { withSystemErrors } from '../host/libc.ts';

/** Receives a layer data file from front to back, in runs. */
export interface LayerDataSink {
  /** Memory for the next run, `RUN_BYTES` long, its contents arbitrary. */
  emptyRun(): Buffer;
  /**
   * Takes the first `lengthBytes` of a run that `emptyRun` gave; they belong at `position`. Both are
   * multiples of 4096. Whatever lies between two runs is zero. The run is the sink's from now on.
   */
  write(run: Buffer, lengthBytes: number, position: number): void;
  /** There are no more runs; `sizeBytes` is the length of the file, a multiple of 4096. */
  end(sizeBytes: number): void;
  /** When more runs are welcome; undefined when they are at once. Throws what writing threw. */
  ready(): Promise<void> | undefined;
  /** Resolves when all is where it belongs. Throws what writing threw. */
  flush(): Promise<void>;
  /** Resolves when nothing is under way any more; never throws. Ends the sink. */
  settle(): Promise<void>;
}

/**
 * Writes to `fd` in the background; it must be an empty file open for writing and stays the caller's,
 * who may close it after `settle`. What is zero between two runs becomes a hole. Nothing is synced.
 *
 * `ready` and `flush` throw SystemCallError, such as `ENOSPC`.
 */
export function fileDataSink(fd: number): LayerDataSink {
  const where = 'while writing a layer data file';
  const writer = new FileWriter(fd, where);
  let fileBytes = 0;
  return {
    emptyRun: () => writer.emptyRun(),
    write: (run, lengthBytes, position) => writer.write(run, lengthBytes, position),
    end: (sizeBytes) => {
      fileBytes = sizeBytes;
    },
    ready: () => writer.ready(),
    flush: async () => {
      await writer.flush();
      withSystemErrors(where, () => ftruncateSync(fd, fileBytes));
    },
    settle: () => writer.settle(),
  };
}

/** A sink that forgets everything, at once. */
export function nullDataSink(): LayerDataSink {
  const run = Buffer.allocUnsafe(RUN_BYTES);
  return {
    emptyRun: () => run,
    write: () => {},
    end: () => {},
    ready: () => undefined,
    flush: async () => {},
    settle: async () => {},
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
    ...nullDataSink(),
    get isEqual() {
      return isEqual;
    },
    write(run, lengthBytes, position) {
      compareZerosUpTo(position);
      compare(run.subarray(0, lengthBytes), position);
      compared = position + lengthBytes;
    },
    end(sizeBytes) {
      compareZerosUpTo(sizeBytes);
      isEqual &&= fstatSync(fd).size === sizeBytes;
    },
  };
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
