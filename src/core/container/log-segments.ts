/** The files of a container's log: `log/1`, `log/2` and so on, the highest number last. */
import { constants, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { logDir } from './container-paths.ts';

/** Numbers of the segments that there are, oldest first. */
export function segmentNumbers(directory: string): number[] {
  try {
    return readdirSync(logDir(directory))
      .filter((name) => /^[1-9]\d{0,14}$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Path of a segment of the container in `directory`. */
export function segmentPath(directory: string, number: number): string {
  return join(logDir(directory), String(number));
}

/** Opens a segment for reading; undefined when it is gone. Never follows a link. */
export function openSegment(directory: string, number: number): number | undefined {
  try {
    return openSync(segmentPath(directory, number), constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
