/** Writing a part of an open file. */
import { write } from 'node:fs';
import { promisify } from 'node:util';
import { asSystemCallError } from './libc.ts';

const writeAsync = promisify(write);

/**
 * Writes all of `bytes` to `fd` from `position` on, in the thread pool. Nothing is synced; `fd` stays
 * the caller's, who must not close it before this has ended.
 *
 * @param where ends the sentence of an error, such as `while writing a layer`.
 * @throws SystemCallError such as `ENOSPC`
 */
export async function writeRange(
  fd: number,
  bytes: Buffer,
  { position, where }: { readonly position: number; readonly where: string },
): Promise<void> {
  try {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await writeAsync(fd, bytes, at, bytes.length - at, position + at);
      at += bytesWritten;
    }
  } catch (error) {
    throw asSystemCallError(error, where);
  }
}
