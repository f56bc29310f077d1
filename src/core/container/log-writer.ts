/** Keeps what a container writes, in segments that are never renamed. */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { logDir } from './container-paths.ts';
import { type LogPiece, type LogStream, mostLogBytes, writeLogLines } from './log-format.ts';
import { segmentNumbers, segmentPath } from './log-segments.ts';

/** How much is kept; without limits all of it. */
export interface LogBounds {
  /** A segment that has so many bytes gets a successor. */
  readonly maxSegmentBytes: number;
  readonly maxSegments: number;
}

/**
 * The log of one container, open for writing by its supervisor. Each call returns when the bytes are
 * in the file, so whoever waits for it before he reads on slows the container down instead of losing
 * its output.
 *
 * When the disk takes no more, the container is not stopped: a bounded log gives its oldest segments
 * up, and else output is dropped until there is room; a line on stderr then tells how much.
 */
export class LogWriter implements Disposable {
  readonly #directory: string;
  readonly #bounds: LogBounds | undefined;
  #number: number;
  #fd: number;
  #size: number;
  #lostBytes = 0;
  #out = Buffer.alloc(0);

  /** Continues the log of the container in `directory`. @throws a Node error */
  constructor(directory: string, bounds: LogBounds | undefined) {
    this.#directory = directory;
    this.#bounds = bounds;
    mkdirSync(logDir(directory), { recursive: true, mode: 0o700 });
    this.#number = segmentNumbers(directory).at(-1) ?? 1;
    this.#fd = openForAppend(segmentPath(directory, this.#number));
    this.#size = fstatSync(this.#fd).size;
    // What a crash cut is a line of its own, which nobody takes for output.
    if (this.#size > 0) this.#write(Buffer.from('\n'));
  }

  /** Adds a piece of output, which was written about now. */
  append(stream: LogStream, chunk: Buffer): void {
    const now = new Date();
    if (this.#lostBytes > 0 && !this.#write(this.#notice(now))) {
      this.#lostBytes += chunk.length;
      return;
    }
    this.#lostBytes = 0;
    const lines = this.#format({ stream, chunk, time: now });
    if (!this.#write(lines) && !this.#writeInPlaceOfOldest(lines)) this.#lostBytes += chunk.length;
    if (this.#bounds !== undefined && this.#size >= this.#bounds.maxSegmentBytes) this.#rotate();
  }

  [Symbol.dispose](): void {
    if (this.#lostBytes > 0) this.#write(this.#notice(new Date()));
    closeSync(this.#fd);
  }

  #notice(time: Date): Buffer {
    const words = `dray: ${this.#lostBytes} bytes of output were lost: the disk took no more\n`;
    return this.#format({ stream: 'stderr', chunk: Buffer.from(words), time });
  }

  /** In a buffer that the next call uses again. */
  #format(piece: LogPiece): Buffer {
    const most = mostLogBytes(piece.chunk.length);
    if (this.#out.length < most) this.#out = Buffer.allocUnsafeSlow(most);
    return this.#out.subarray(0, writeLogLines(this.#out, piece));
  }

  /** All of it or nothing. */
  #write(bytes: Buffer): boolean {
    try {
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(this.#fd, bytes, written);
      }
      this.#size += bytes.length;
      return true;
    } catch {
      // Whatever the reason, the container goes on.
      this.#cutBack();
      return false;
    }
  }

  #cutBack(): void {
    try {
      ftruncateSync(this.#fd, this.#size);
    } catch {
      // A torn line stays, which readers pass over.
    }
  }

  #writeInPlaceOfOldest(lines: Buffer): boolean {
    const oldest = segmentNumbers(this.#directory)[0] ?? this.#number;
    if (this.#bounds === undefined || oldest === this.#number) return false;
    rmSync(segmentPath(this.#directory, oldest), { force: true });
    return this.#write(lines);
  }

  #rotate(): void {
    try {
      const fd = openForAppend(segmentPath(this.#directory, this.#number + 1));
      closeSync(this.#fd);
      this.#fd = fd;
      this.#number += 1;
      this.#size = 0;
    } catch {
      // Without a successor this segment grows on.
    }
    const most = this.#bounds?.maxSegments ?? Number.POSITIVE_INFINITY;
    for (const number of segmentNumbers(this.#directory).slice(0, -most)) {
      rmSync(segmentPath(this.#directory, number), { force: true });
    }
  }
}

function openForAppend(path: string): number {
  const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW } = constants;
  return openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
}
