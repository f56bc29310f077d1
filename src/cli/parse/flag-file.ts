/** Files that flags name. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

const LONGEST_FILE_BYTES = 16 * 1024 * 1024;

/**
 * The bytes of a regular file, or of a pipe that somebody writes. A device without an end, or a file
 * of more than 16 MiB, is refused with an `Error` that says so.
 */
export function readFlagFile(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    const found = fstatSync(fd);
    if (!found.isFile() && !found.isFIFO()) throw new Error('it is not a file');
    if (found.size > LONGEST_FILE_BYTES) throw new Error('it has more than 16 MiB');
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}
