/** Bytes arrive whole and in order, whatever the file system; failures are told and leak nothing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openDirect } from '../../../src/core/host/direct-io.ts';
import { FileWriter, RUN_BYTES } from '../../../src/core/host/file-writer.ts';
import { engineError } from '../../support/engine-errors.ts';
import { LoopExt4 } from '../../support/loop-ext4.ts';

const scratch = mkdtempSync(join(tmpdir(), 'dray-writer-'));
const ramfs = join(scratch, 'ramfs');
mkdirSync(ramfs);
execFileSync('mount', ['-t', 'ramfs', 'ramfs', ramfs]);
const ext4 = LoopExt4.create({ sizeMiB: 64 });
after(() => {
  execFileSync('umount', [ramfs]);
  rmSync(scratch, { recursive: true });
  ext4[Symbol.dispose]();
});

/** Writes `bytes` from `start` on in runs of these lengths, over and over, and returns the file. */
async function written(path: string, bytes: Buffer, lengths: readonly number[], start = 0) {
  const fd = openSync(path, 'w+');
  const writer = new FileWriter(fd, 'while testing');
  for (let at = start, turn = 0; at < bytes.length; turn += 1) {
    const run = writer.emptyRun();
    const length = bytes.copy(run, 0, at, at + (lengths[turn % lengths.length] ?? 0));
    writer.write(run, length, at);
    at += length;
    await writer.ready();
  }
  await writer.flush();
  await writer.settle();
  closeSync(fd);
  return readFileSync(path);
}

const BYTES = randomBytes(9 * RUN_BYTES + 777);
const LENGTHS: readonly (readonly [name: string, lengths: readonly number[]])[] = [
  ['whole runs, and a last one of any length', [RUN_BYTES]],
  ['blocks', [4096, 8192]],
  ['lengths that direct writing does not take', [1, 4095, 70_000]],
  ['all of them', [RUN_BYTES, 1, 4095, 4096]],
];

describe('FileWriter', () => {
  it('has one file system with direct writing to test on, and one without', () => {
    const isDirect = (directory: string): boolean => {
      const fd = openSync(join(directory, 'probe'), 'w');
      const direct = openDirect(fd, 'write');
      if (direct !== undefined) closeSync(direct);
      closeSync(fd);
      return direct !== undefined;
    };
    assert.equal(isDirect(ext4.mountPoint), true);
    assert.equal(isDirect(ramfs), false);
  });

  for (const [name, lengths] of LENGTHS) {
    it(`writes ${name}`, async () => {
      for (const directory of [ext4.mountPoint, ramfs]) {
        assert.ok((await written(join(directory, 'file'), BYTES, lengths)).equals(BYTES));
      }
    });
  }

  it('leaves alone what lies before and between', async () => {
    const file = await written(join(ext4.mountPoint, 'hole'), BYTES, [RUN_BYTES], 3 * RUN_BYTES);
    assert.ok(file.subarray(0, 3 * RUN_BYTES).equals(Buffer.alloc(3 * RUN_BYTES)));
    assert.ok(file.subarray(3 * RUN_BYTES).equals(BYTES.subarray(3 * RUN_BYTES)));
  });

  it('holds its caller back, and uses its runs again', async () => {
    const fd = openSync(join(ext4.mountPoint, 'file'), 'w');
    const writer = new FileWriter(fd, 'while testing');
    const runs = new Set<Buffer>();
    let hasHeldBack = false;
    for (let at = 0; at < 30 * RUN_BYTES; at += RUN_BYTES) {
      const run = writer.emptyRun();
      runs.add(run);
      writer.write(run, RUN_BYTES, at);
      const ready = writer.ready();
      hasHeldBack ||= ready !== undefined;
      await ready;
    }
    await writer.flush();
    await writer.settle();
    closeSync(fd);
    assert.ok(hasHeldBack);
    assert.ok(runs.size <= 8, `${runs.size} runs`);
  });

  it('tells of a full disk, and can be settled afterwards', async () => {
    const small = LoopExt4.create({ sizeMiB: 8 });
    const before = readdirSync('/proc/self/fd').length;
    const fd = openSync(join(small.mountPoint, 'file'), 'w');
    const writer = new FileWriter(fd, 'while testing');
    const fill = async (): Promise<void> => {
      for (let at = 0; at < 20 * RUN_BYTES; at += RUN_BYTES) {
        writer.write(writer.emptyRun(), RUN_BYTES, at);
        await writer.ready();
      }
    };
    await assert.rejects(fill(), engineError('HOST_CALL_FAILED', /ENOSPC.*|no space/i));
    await assert.rejects(writer.flush(), engineError('HOST_CALL_FAILED', /./));
    await writer.settle();
    await writer.settle();
    closeSync(fd);
    assert.equal(readdirSync('/proc/self/fd').length, before);
    small[Symbol.dispose]();
  });

  it('finishes what it was given when it is settled', async () => {
    const path = join(ext4.mountPoint, 'file');
    const fd = openSync(path, 'w');
    const writer = new FileWriter(fd, 'while testing');
    for (let at = 0; at < 5 * RUN_BYTES; at += RUN_BYTES) {
      const run = writer.emptyRun();
      BYTES.copy(run, 0, at, at + RUN_BYTES);
      writer.write(run, RUN_BYTES, at);
    }
    await writer.settle();
    assert.equal(fstatSync(fd).size, 5 * RUN_BYTES);
    closeSync(fd);
    assert.ok(existsSync(path) && readFileSync(path).equals(BYTES.subarray(0, 5 * RUN_BYTES)));
  });
});
