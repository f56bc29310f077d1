import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { LogStream } from '../../../src/core/container/log-format.ts';
import { type LogQuery, readLog } from '../../../src/core/container/log-reader.ts';
import { segmentNumbers, segmentPath } from '../../../src/core/container/log-segments.ts';
import { type LogBounds, LogWriter } from '../../../src/core/container/log-writer.ts';
import { isErrno } from '../../../src/core/host/libc.ts';

/** A container's directory in memory. */
class LogDirectory implements Disposable {
  readonly path = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : '/tmp', 'dray-log-'));

  open(bounds?: LogBounds): LogWriter {
    return new LogWriter(this.path, bounds);
  }

  write(pieces: readonly (readonly [LogStream, string])[], bounds?: LogBounds): void {
    using log = this.open(bounds);
    for (const [stream, text] of pieces) log.append(stream, Buffer.from(text));
  }

  /** What is read, by stream. */
  async read(query: Partial<LogQuery> = {}): Promise<Record<LogStream, string>> {
    const read = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    await readLog(this.path, { withTimes: false, ...query }, (stream, bytes) => {
      read[stream].push(Buffer.from(bytes));
      return true;
    });
    const text = (stream: LogStream): string => Buffer.concat(read[stream]).toString('latin1');
    return { stdout: text('stdout'), stderr: text('stderr') };
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

describe('a log', () => {
  it('gives back any bytes as they were, in any pieces, of both streams', async () => {
    using directory = new LogDirectory();
    const expected = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    {
      using log = directory.open();
      for (let count = 0; count < 300; count += 1) {
        const stream = count % 3 === 0 ? 'stderr' : 'stdout';
        const size = [0, 1, 7, 300, 4096, 65_536][count % 6] ?? 0;
        const piece = Buffer.concat([randomBytes(size), Buffer.from(count % 5 === 0 ? '\n' : '')]);
        log.append(stream, piece);
        expected[stream].push(piece);
      }
    }
    const read = await directory.read();
    assert.ok(Buffer.concat(expected.stdout).length > 2_000_000, 'the control: there is much');
    assert.equal(read.stdout, Buffer.concat(expected.stdout).toString('latin1'));
    assert.equal(read.stderr, Buffer.concat(expected.stderr).toString('latin1'));
  });

  it('has one line for each line, with its time and its stream, as CRI has it', () => {
    using directory = new LogDirectory();
    directory.write([
      ['stdout', 'one\ntwo'],
      ['stderr', 'bad\n'],
      ['stdout', '!\n\n'],
    ]);
    const lines = readFileSync(segmentPath(directory.path, 1), 'utf8').split('\n');
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /;
    assert.ok(lines.slice(0, -1).every((line) => time.test(line)));
    assert.deepEqual(
      lines.map((line) => line.replace(time, '')),
      ['stdout F one', 'stdout P two', 'stderr F bad', 'stdout F !', 'stdout F ', ''],
    );
  });

  const tails: readonly (readonly [number, string])[] = [
    [0, ''],
    [1, 'd'],
    [2, 'c\nd'],
    [4, 'a\nb\nc\nd'],
    [9, 'a\nb\nc\nd'],
  ];
  for (const [tail, expected] of tails) {
    it(`ends with its last ${tail} lines, over segments`, async () => {
      using directory = new LogDirectory();
      const bounds = { maxSegmentBytes: 60, maxSegments: 9 };
      directory.write(
        [
          ['stdout', 'a\n'],
          ['stdout', 'b'],
          ['stdout', '\n'],
          ['stdout', 'c\n'],
          ['stdout', 'd'],
        ],
        bounds,
      );
      assert.ok(segmentNumbers(directory.path).length > 1, 'the control: there are several');
      assert.equal((await directory.read({ tail })).stdout, expected);
    });
  }

  it('finds the tail of a large segment', async () => {
    using directory = new LogDirectory();
    const lines = Array.from({ length: 40_000 }, (_, count) => `line ${count}\n`);
    directory.write([['stdout', lines.join('')]]);
    const { stdout } = await directory.read({ tail: 3000 });
    assert.equal(stdout, lines.slice(-3000).join(''));
  });

  it('keeps as many segments as it may, the last ones', async () => {
    using directory = new LogDirectory();
    const pieces = Array.from({ length: 20 }, (_, count): [LogStream, string] => [
      'stdout',
      `${count}\n`,
    ]);
    directory.write(pieces, { maxSegmentBytes: 1, maxSegments: 3 });
    assert.equal(segmentNumbers(directory.path).length, 3);
    const { stdout } = await directory.read();
    assert.equal(stdout, '18\n19\n');
  });

  it('is followed over every segment until no more can come', async () => {
    using directory = new LogDirectory();
    const log = directory.open({ maxSegmentBytes: 500, maxSegments: 1000 });
    let written = '';
    let looks = 0;
    const isOver = (): boolean => {
      const isLast = looks++ >= 20;
      for (let count = 0; count < 30 && !isLast; count += 1) {
        const text = `${looks}.${count}${count % 7 === 0 ? '\n' : ''}`;
        log.append('stdout', Buffer.from(text));
        written += text;
      }
      return isLast;
    };
    const { stdout } = await directory.read({ isOver });
    log[Symbol.dispose]();
    assert.ok(segmentNumbers(directory.path).length > 5, 'the control: there were several');
    assert.equal(stdout, written);
  });

  it('goes on behind segments that went before they were read', async () => {
    using directory = new LogDirectory();
    directory.write([['stdout', 'lost\n']], { maxSegmentBytes: 1, maxSegments: 9 });
    let looks = 0;
    const isOver = (): boolean => {
      if (looks++ > 0) return true;
      rmSync(segmentPath(directory.path, 1));
      directory.write([['stdout', 'kept\n']], { maxSegmentBytes: 1, maxSegments: 9 });
      return false;
    };
    assert.equal((await directory.read({ isOver })).stdout, 'kept\n');
  });

  it('knows what was written since a time and before one', async () => {
    using directory = new LogDirectory();
    mkdirSync(join(directory.path, 'log'));
    for (const [second, word] of ['early', 'middle', 'late'].entries()) {
      const line = `2026-01-02T03:04:0${second}.000000000Z stdout F ${word}\n`;
      appendFileSync(segmentPath(directory.path, 1), line);
    }
    const at = (second: number): Date => new Date(`2026-01-02T03:04:0${second}Z`);
    assert.equal((await directory.read({ since: at(1) })).stdout, 'middle\nlate\n');
    assert.equal((await directory.read({ until: at(1) })).stdout, 'early\n');
    assert.equal((await directory.read({ since: at(1), until: at(2) })).stdout, 'middle\n');
    const timed = await directory.read({ since: at(2), withTimes: true });
    assert.equal(timed.stdout, '2026-01-02T03:04:02.000000000Z late\n');
  });

  it('passes over what a crash left, and goes on behind it', async () => {
    using directory = new LogDirectory();
    directory.write([['stdout', 'before\n']]);
    appendFileSync(segmentPath(directory.path, 1), '2026-01-02T03:04:05');
    directory.write([['stdout', 'after\n']]);
    assert.equal((await directory.read()).stdout, 'before\nafter\n');
  });

  it('never follows a link, neither to write nor to read', async () => {
    using directory = new LogDirectory();
    const victim = join(directory.path, 'victim');
    mkdirSync(join(directory.path, 'log'));
    symlinkSync(victim, segmentPath(directory.path, 1));
    assert.throws(() => directory.open(), { code: 'ELOOP' });
    appendFileSync(victim, '2026-01-02T03:04:05.000000000Z stdout F secret\n');
    await assert.rejects(directory.read(), { code: 'ELOOP' });
  });
});

const NEEDS_ROOT = { skip: process.getuid?.() === 0 ? (false as const) : 'mounting needs root' };

describe('a log on a disk that takes no more', NEEDS_ROOT, () => {
  const withFullDisk = async (work: (directory: LogDirectory) => Promise<void>): Promise<void> => {
    using directory = new LogDirectory();
    const log = join(directory.path, 'log');
    mkdirSync(log);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', log]);
    try {
      await work(directory);
    } finally {
      execFileSync('umount', [log]);
    }
  };
  const KIB = 'x'.repeat(1023);

  it('does not stop the container and leaves no torn line', async () => {
    await withFullDisk(async (directory) => {
      const pieces = Array.from({ length: 100 }, (): [LogStream, string] => ['stdout', `${KIB}\n`]);
      directory.write(pieces);
      const { stdout } = await directory.read();
      const lines = stdout.split('\n').slice(0, -1);
      assert.ok(lines.length > 30 && lines.length < 64 && lines.every((line) => line === KIB));
      rmSync(segmentPath(directory.path, 1));
      directory.write([['stdout', 'after\n']]);
      assert.equal((await directory.read()).stdout, 'after\n');
    });
  });

  it('tells on stderr how much was lost, as soon as there is room', async () => {
    await withFullDisk(async (directory) => {
      const filler = join(directory.path, 'log', 'filler');
      using log = directory.open();
      try {
        appendFileSync(filler, Buffer.alloc(100_000));
      } catch (error) {
        assert.ok(isErrno(error, 'ENOSPC'));
      }
      log.append('stdout', Buffer.from('lost\n'));
      log.append('stdout', Buffer.from('gone\n'));
      rmSync(filler);
      log.append('stdout', Buffer.from('there\n'));
      const read = await directory.read();
      assert.equal(read.stdout, 'there\n');
      assert.match(read.stderr, /^dray: 10 bytes of output were lost: the disk took no more\n$/);
    });
  });

  it('gives up its oldest segments when it is bounded', async () => {
    await withFullDisk(async (directory) => {
      using log = directory.open({ maxSegmentBytes: 8192, maxSegments: 100 });
      for (let count = 0; count < 200; count += 1)
        log.append('stdout', Buffer.from(`${count}${KIB}\n`));
      const { stdout } = await directory.read({ tail: 1 });
      assert.equal(stdout, `199${KIB}\n`);
    });
  });
});
