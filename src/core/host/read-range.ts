/** Reading a part of an open file. */
import { read } from 'node:fs';
import { promisify } from 'node:util';

const readAsync = promisify(read);

const CHUNK_BYTES = 1024 * 1024;

/**
 * The bytes of `fd` from `start` up to `end` (exclusive), or to the end of the file if that comes
 * first, in pieces of at most 1 MiB. `fd` stays the caller's and stays open, also when the loop is
 * left early, which a read stream does not promise. Each piece is a buffer of its own.
 */
export async function* readRange(fd: number, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; ) {
    const length = Math.min(CHUNK_BYTES, end - at);
    const { buffer, bytesRead } = await readAsync(
      fd,
      Buffer.allocUnsafeSlow(length),
      0,
      length,
      at,
    );
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
