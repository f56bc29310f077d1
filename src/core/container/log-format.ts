/**
 * The lines of a container's log: those of the Kubernetes container runtime interface.
 *
 *     2026-02-03T04:05:06.789000000Z stdout F a whole line, or the end of one
 *     2026-02-03T04:05:06.789000000Z stderr P a piece of a line, to be continued
 *
 * What follows the 40 bytes in front is what the container wrote, byte for byte; a newline of its own
 * is the one that ends an `F` line. So the pieces of one stream, put together, are exactly its output.
 * Pure.
 */

/** Where a container wrote. */
export type LogStream = 'stdout' | 'stderr';

/** Bytes before the content of a line. */
export const LOG_PREFIX_BYTES = 40;
/** Bytes of the time at the start of a line; times sort as their texts do. */
export const LOG_TIME_BYTES = 30;
/** Where a line says `stdout` or `stderr`; their fourth letters differ. */
const STREAM_OFFSET = LOG_TIME_BYTES + 4;
const TAG_OFFSET = LOG_PREFIX_BYTES - 2;

const NEWLINE = 0x0a;
const SPACE = 0x20;
const LETTER_O = 0x6f;
const LETTER_F = 0x46;
const LETTER_P = 0x50;

/** A time as it stands in a log. */
export function logTime(time: Date): string {
  return time.toISOString().replace('Z', '000000Z');
}

/** Bytes that the lines of a piece of output can have at most. */
export function mostLogBytes(chunkBytes: number): number {
  return (chunkBytes + 1) * (LOG_PREFIX_BYTES + 1);
}

/** A piece of output, and what is true of all of it. */
export interface LogPiece {
  readonly stream: LogStream;
  readonly chunk: Uint8Array;
  readonly time: Date;
}

/** Writes the lines of a piece of output to the start of `out`; returns their length in bytes. */
export function writeLogLines(out: Uint8Array, { stream, chunk, time }: LogPiece): number {
  const prefix = Buffer.from(`${logTime(time)} ${stream} F `);
  let length = 0;
  for (let start = 0; start < chunk.length; ) {
    const newline = chunk.indexOf(NEWLINE, start);
    const end = newline < 0 ? chunk.length : newline;
    copyBytes(prefix, { from: 0, to: LOG_PREFIX_BYTES }, out, length);
    if (newline < 0) out[length + TAG_OFFSET] = LETTER_P;
    length += LOG_PREFIX_BYTES;
    copyBytes(chunk, { from: start, to: end }, out, length);
    length += end - start;
    out[length] = NEWLINE;
    length += 1;
    start = end + 1;
  }
  return length;
}

// A call costs more than a short loop.
const SHORT_COPY_BYTES = 64;

function copyBytes(
  source: Uint8Array,
  { from, to }: { readonly from: number; readonly to: number },
  out: Uint8Array,
  at: number,
): void {
  if (to - from > SHORT_COPY_BYTES) {
    out.set(source.subarray(from, to), at);
    return;
  }
  for (let index = from; index < to; index += 1) out[at + index - from] = source[index] ?? 0;
}

/** A line in a buffer: its bytes are from `start` to `end`, which is its newline. */
export interface LogLine {
  readonly start: number;
  readonly end: number;
}

/** The line that starts at `start`; undefined when its newline is not in the buffer yet. */
export function nextLogLine(bytes: Buffer, start: number): LogLine | undefined {
  const end = bytes.indexOf(NEWLINE, start);
  return end < 0 ? undefined : { start, end };
}

/** Whether a line is one of ours, and not what a full disk or a crash left. */
export function isSoundLine(bytes: Buffer, { start, end }: LogLine): boolean {
  const isLongEnough = end - start >= LOG_PREFIX_BYTES;
  return isLongEnough && bytes[start + LOG_TIME_BYTES] === SPACE && bytes[end] === NEWLINE;
}

/** Which stream a sound line belongs to. */
export function streamOf(bytes: Buffer, { start }: LogLine): LogStream {
  return bytes[start + STREAM_OFFSET] === LETTER_O ? 'stdout' : 'stderr';
}

/** Whether a sound line ends a line of the container. */
export function isWholeLine(bytes: Buffer, { start }: LogLine): boolean {
  return bytes[start + TAG_OFFSET] === LETTER_F;
}
