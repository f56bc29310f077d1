/** Reading the log of a container, also while it is written and segments come and go. */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  isSoundLine,
  isWholeLine,
  LOG_PREFIX_BYTES,
  LOG_TIME_BYTES,
  type LogLine,
  type LogStream,
  logTime,
  nextLogLine,
  streamOf,
} from './log-format.ts';
import { openSegment, segmentNumbers } from './log-segments.ts';

/** What is wanted of a log. */
export interface LogQuery {
  /** Only what was written then or later. */
  readonly since?: Date;
  /** Only what was written before; following ends there, too. */
  readonly until?: Date;
  /** Only the last so many lines of what there is now. */
  readonly tail?: number;
  /** Each line begins with its time. */
  readonly withTimes: boolean;
  /** Goes on until this says that no more can come; without it, until the end of what there is. */
  readonly isOver?: () => boolean;
  readonly signal?: AbortSignal;
}

/** Takes output, in a buffer that is used again afterwards; false: no more is wanted. */
export type LogSink = (stream: LogStream, bytes: Buffer) => boolean;

const BLOCK_BYTES = 1024 * 1024;
const POLL_MS = 25;
/** Longer than a line of a segment is: a piece of output, and what is before it. */
const LAST_LINE_BYTES = 70_000;

/**
 * Gives the output of the container in `directory` to `sink`, in the order in which it was kept, byte
 * for byte. Memory is constant. Following goes over into new segments; when segments were removed
 * before they could be read, it goes on with the oldest that there is.
 *
 * @throws the reason of `signal`; a Node error, `ELOOP` for a segment that is a link
 */
export async function readLog(directory: string, query: LogQuery, sink: LogSink): Promise<void> {
  using reader = new LogReader(directory, query, sink);
  reader.start();
  for (;;) {
    // Before the look for more: what was written before the end must not be missed.
    const isOver = query.isOver?.() ?? true;
    if (!reader.readOn() || isOver) return;
    await delay(POLL_MS, undefined, query.signal === undefined ? {} : { signal: query.signal });
  }
}

class LogReader implements Disposable {
  readonly #directory: string;
  readonly #query: LogQuery;
  readonly #sink: LogSink;
  readonly #since: Buffer | undefined;
  readonly #until: Buffer | undefined;
  /** Holds what is read and not yet given on; a line never fills it. */
  readonly #block = Buffer.allocUnsafeSlow(2 * BLOCK_BYTES);
  readonly #out = { stdout: new OutBuffer(), stderr: new OutBuffer() };
  readonly #isAtStart = { stdout: true, stderr: true };
  #number = 0;
  #fd: number | undefined;
  #offset = 0;
  #held = 0;
  #isDone = false;

  constructor(directory: string, query: LogQuery, sink: LogSink) {
    this.#directory = directory;
    this.#query = query;
    this.#sink = sink;
    this.#since = query.since === undefined ? undefined : Buffer.from(logTime(query.since));
    this.#until = query.until === undefined ? undefined : Buffer.from(logTime(query.until));
  }

  /** Goes to where the output begins that is wanted. */
  start(): void {
    const numbers = segmentNumbers(this.#directory);
    let wanted = this.#query.tail;
    if (wanted === undefined) return;
    for (const number of numbers.toReversed()) {
      this.#open(number);
      const { offset, lines } = this.#findTail(wanted);
      this.#offset = offset;
      wanted -= lines;
      if (wanted <= 0) return;
    }
  }

  /** Gives on all that there is now; false when no more is wanted. */
  readOn(): boolean {
    do {
      while (this.#fill()) this.#giveOn();
    } while (!this.#isDone && this.#openNext());
    return !this.#isDone;
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
  }

  #fill(): boolean {
    if (this.#fd === undefined || this.#isDone) return false;
    this.#query.signal?.throwIfAborted();
    const room = Math.min(BLOCK_BYTES, this.#block.length - this.#held);
    const length = readSync(this.#fd, this.#block, this.#held, room, this.#offset);
    this.#offset += length;
    this.#held += length;
    return length > 0;
  }

  #giveOn(): void {
    const bytes = this.#block.subarray(0, this.#held);
    let start = 0;
    for (let line = nextLogLine(bytes, 0); line !== undefined && !this.#isDone; ) {
      if (isSoundLine(bytes, line)) this.#take(bytes, line);
      start = line.end + 1;
      line = nextLogLine(bytes, start);
    }
    this.#block.copyWithin(0, start, this.#held);
    this.#held -= start;
    // Longer than any line of ours can be.
    if (this.#held > BLOCK_BYTES) this.#held = 0;
    for (const stream of ['stdout', 'stderr'] as const) this.#flush(stream);
  }

  #take(bytes: Buffer, line: LogLine): void {
    const { start, end } = line;
    const timeEnd = start + LOG_TIME_BYTES;
    if (this.#since !== undefined && this.#since.compare(bytes, start, timeEnd) > 0) return;
    if (this.#until !== undefined && this.#until.compare(bytes, start, timeEnd) <= 0) {
      this.#isDone = true;
      return;
    }
    const stream = streamOf(bytes, line);
    const isWhole = isWholeLine(bytes, line);
    const out = this.#out[stream];
    if (out.room < end - start + LOG_TIME_BYTES) this.#flush(stream);
    if (this.#query.withTimes && this.#isAtStart[stream]) {
      out.add(bytes, start, timeEnd + 1);
    }
    out.add(bytes, start + LOG_PREFIX_BYTES, isWhole ? end + 1 : end);
    this.#isAtStart[stream] = isWhole;
  }

  #flush(stream: LogStream): void {
    const bytes = this.#out[stream].take();
    if (bytes.length > 0 && !this.#sink(stream, bytes)) this.#isDone = true;
  }

  #open(number: number): boolean {
    const fd = openSegment(this.#directory, number);
    if (fd === undefined) return false;
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = fd;
    this.#number = number;
    this.#offset = 0;
    this.#held = 0;
    return true;
  }

  /** A segment with a successor has its last byte: whoever writes went over before. */
  #openNext(): boolean {
    const next = segmentNumbers(this.#directory).find((number) => number > this.#number);
    if (next === undefined) return false;
    const isMore = this.#fd !== undefined && fstatSync(this.#fd).size > this.#offset;
    return isMore || this.#open(next);
  }

  /** Whether the segment before the open one ends with the end of a line. */
  #isNewLine(): boolean {
    const before = openSegment(this.#directory, this.#number - 1);
    if (before === undefined) return true;
    try {
      const { size } = fstatSync(before);
      const from = Math.max(0, size - LAST_LINE_BYTES);
      const bytes = Buffer.alloc(size - from);
      readSync(before, bytes, 0, bytes.length, from);
      const start = bytes.lastIndexOf('\n', -2) + 1;
      return isWholeLine(bytes, { start, end: bytes.length - 1 });
    } finally {
      closeSync(before);
    }
  }

  /** Where the last `wanted` lines of the open segment begin, and how many there are. */
  #findTail(wanted: number): { offset: number; lines: number } {
    const fd = this.#fd ?? 0;
    const { size } = fstatSync(fd);
    for (let length = 64 * 1024; ; length *= 8) {
      const from = Math.max(0, size - length);
      const bytes = Buffer.alloc(size - from);
      const read = readSync(fd, bytes, 0, bytes.length, from);
      const isNew = from === 0 && this.#isNewLine();
      const starts = lineStarts(bytes.subarray(0, read), { isCut: from > 0, isNew });
      if (starts.length < wanted && from > 0) continue;
      const lines = Math.min(wanted, starts.length);
      const first = lines === 0 ? undefined : starts.at(-lines);
      return { offset: first === undefined ? size : from + first, lines };
    }
  }
}

/** What the bytes of a part of a segment follow. */
interface PartStart {
  /** Part of a line of the file, of which the rest is useless. */
  readonly isCut: boolean;
  /** Whether what comes is not the rest of a line of the container. */
  readonly isNew: boolean;
}

/** Where the container's lines begin. */
function lineStarts(bytes: Buffer, { isCut, isNew: isNewAtStart }: PartStart): number[] {
  const starts: number[] = [];
  let isNew = isNewAtStart;
  let line = nextLogLine(bytes, 0);
  if (isCut && line !== undefined) line = nextLogLine(bytes, line.end + 1);
  while (line !== undefined) {
    if (isSoundLine(bytes, line)) {
      if (isNew) starts.push(line.start);
      isNew = isWholeLine(bytes, line);
    }
    line = nextLogLine(bytes, line.end + 1);
  }
  return starts;
}

/** Collects what goes to one stream, so that it is written in large pieces. */
class OutBuffer {
  readonly #bytes = Buffer.allocUnsafeSlow(BLOCK_BYTES + LOG_TIME_BYTES);
  #length = 0;

  get room(): number {
    return this.#bytes.length - this.#length;
  }

  add(from: Buffer, start: number, end: number): void {
    this.#length += from.copy(this.#bytes, this.#length, start, end);
  }

  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return taken;
  }
}
