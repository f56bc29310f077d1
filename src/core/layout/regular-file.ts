/** Opening files that somebody else has named. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { EngineError, hasErrno, quote } from '../errors.ts';

// Without O_NONBLOCK a FIFO that nobody writes to would be waited for.
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Opens a regular file for reading and returns its descriptor, which the caller closes. Symbolic
 * links are followed. Never waits for a FIFO.
 *
 * @throws EngineError `IMAGE_INVALID` for anything but a regular file; the system's error, such as
 *   `ENOENT`, when it cannot be opened.
 */
export function openRegularFile(path: string): number {
  const fd = openAnything(path);
  try {
    if (fstatSync(fd).isFile()) return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  throw notAFile(path);
}

function openAnything(path: string): number {
  try {
    return openSync(path, FLAGS);
  } catch (error) {
    // What the kernel says of a socket.
    if (hasErrno(error, 'ENXIO')) throw notAFile(path);
    throw error;
  }
}

function notAFile(path: string): EngineError {
  return new EngineError('IMAGE_INVALID', `${quote(path)} is not a file`);
}
