/** A blob comes through whole, whoever is faster, and what has arrived is in the file afterwards. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { spooled } from '../../../src/core/operations/blob-spool.ts';
import { engineError } from '../../support/engine-errors.ts';
import { LoopExt4 } from '../../support/loop-ext4.ts';

const ext4 = LoopExt4.create({ sizeMiB: 128 });
const scratch = mkdtempSync(join(ext4.mountPoint, 'spool-'));
after(() => {
  rmSync(scratch, { recursive: true });
  ext4[Symbol.dispose]();
});

const BLOB = randomBytes(12 * 2 ** 20 + 12_345);
const PATH = join(scratch, 'blob');

/** Pieces of `size` bytes from `start` up to `end`, then `failure`. */
async function* pieces(start: number, size: number, end = BLOB.length, failure?: Error) {
  for (let at = start; at < end; at += size) yield BLOB.subarray(at, Math.min(at + size, end));
  if (failure !== undefined) throw failure;
}

interface SpoolRun {
  readonly kept: number;
  readonly source: (signal: AbortSignal) => AsyncIterable<Buffer>;
  /** Looked at for each piece; the reader leaves when it says so. */
  readonly onPiece?: (total: number) => Promise<boolean | undefined>;
}

/** Reads a spool to its end; returns what was read. */
async function readSpool({ kept, source, onPiece }: SpoolRun): Promise<Buffer> {
  writeFileSync(PATH, BLOB.subarray(0, kept));
  const fd = openSync(PATH, 'r+');
  const signal = new AbortController().signal;
  const read: Buffer[] = [];
  let total = 0;
  try {
    for await (const piece of spooled({ fd, keptBytes: kept, source, signal })) {
      read.push(Buffer.from(piece));
      total += piece.length;
      if (await onPiece?.(total)) break;
    }
  } finally {
    closeSync(fd);
  }
  return Buffer.concat(read);
}

describe('spooled', () => {
  for (const kept of [0, 4095, 5_000_001, BLOB.length - 1]) {
    for (const size of [10_001, 3 * 2 ** 20]) {
      it(`gives ${kept} kept bytes, and then what arrives in pieces of ${size}`, async () => {
        const read = await readSpool({ kept, source: () => pieces(kept, size) });
        assert.ok(read.equals(BLOB));
        assert.ok(readFileSync(PATH).equals(BLOB));
      });
    }
  }

  it('lets the source run ahead of a reader that stands still, and gives the rest from the file', async () => {
    const { promise: isOver, resolve: over } = Promise.withResolvers<void>();
    async function* source(): AsyncGenerator<Buffer> {
      yield* pieces(0, 100_000);
      over();
    }
    const onPiece = async (): Promise<undefined> => {
      await isOver;
    };
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const read = await readSpool({
      kept: 0,
      source: async function* () {
        for await (const piece of source()) {
          most = Math.max(most, process.memoryUsage().arrayBuffers - before);
          yield piece;
        }
      },
      onPiece,
    });
    assert.ok(read.equals(BLOB));
    assert.ok(most < 18 * 2 ** 20, `${most} bytes in memory`);
  });

  it('throws what the source throws, after all that came before it', async () => {
    const reason = new Error('connection lost');
    let total = 0;
    const onPiece = async (bytes: number): Promise<undefined> => {
      total = bytes;
    };
    await assert.rejects(
      readSpool({ kept: 10, source: () => pieces(10, 70_000, 9_000_001, reason), onPiece }),
      (error) => error === reason,
    );
    assert.equal(total, 9_000_001);
    assert.ok(readFileSync(PATH).equals(BLOB.subarray(0, 9_000_001)));
  });

  it('ends its source when the reader leaves, and keeps what has arrived', async () => {
    let isEnded = false;
    let given = 0;
    async function* source(signal: AbortSignal): AsyncGenerator<Buffer> {
      try {
        for await (const piece of pieces(0, 50_000)) {
          await turn();
          if (signal.aborted) return;
          yield piece;
          given += piece.length;
        }
      } finally {
        isEnded = true;
      }
    }
    const read = await readSpool({ kept: 0, source, onPiece: async (total) => total > 500_000 });
    assert.ok(isEnded);
    assert.ok(read.length >= 500_000 && given < BLOB.length);
    assert.ok(readFileSync(PATH).equals(BLOB.subarray(0, given)));
  });

  it('has every block of a source in the file that waits for it before it gives more', async () => {
    const { length } = BLOB.subarray(0, 2 ** 19);
    let seen = 0;
    async function* source(): AsyncGenerator<Buffer> {
      for (let at = 0; at < length; at += 10_001) {
        yield BLOB.subarray(at, Math.min(at + 10_001, length));
        const given = Math.min(at + 10_001, length);
        while (readFileSync(PATH).length < given - (given % 4096)) await turn();
        seen = given;
      }
    }
    await readSpool({ kept: 0, source });
    assert.equal(seen, length);
  });

  it('says that the disk is full', async () => {
    const small = LoopExt4.create({ sizeMiB: 8 });
    const fd = openSync(join(small.mountPoint, 'blob'), 'w+');
    const signal = new AbortController().signal;
    const read = async (): Promise<void> => {
      for await (const _ of spooled({
        fd,
        keptBytes: 0,
        source: () => pieces(0, 100_000),
        signal,
      }));
    };
    await assert.rejects(read(), engineError('HOST_CALL_FAILED', /ENOSPC|no space/i));
    closeSync(fd);
    small[Symbol.dispose]();
  });
});
