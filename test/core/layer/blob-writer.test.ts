/** A blob that arrives in pieces of any size lands in its file, also after an earlier attempt. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import { BlobWriter } from '../../../src/core/layer/blob-writer.ts';
import { openTemporary, readAll } from './layer-fixture.ts';

const BLOB = randomBytes(2 * 2 ** 20 + 12_345);

async function append(writer: BlobWriter, bytes: Buffer, size: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += size)
    await writer.append(bytes.subarray(at, at + size));
}

describe('BlobWriter', () => {
  for (const known of [0, 1, 4095, 4096, 1_000_001, BLOB.length]) {
    for (const size of [1000, 65_536, 2 ** 21]) {
      it(`completes a file with ${known} known bytes from pieces of ${size}`, async () => {
        const fd = openTemporary();
        writeSync(fd, BLOB, 0, known, 0);
        const writer = new BlobWriter(fd, known);
        await append(writer, BLOB, size);
        await writer.flush();
        await writer.settle();
        assert.ok(readAll(fd).equals(BLOB));
        closeSync(fd);
      });
    }
  }

  it('leaves the known bytes alone but for the block that they end in', async () => {
    const fd = openTemporary();
    const wrong = Buffer.alloc(10_000, 1);
    writeSync(fd, wrong, 0, wrong.length, 0);
    const writer = new BlobWriter(fd, wrong.length);
    await append(writer, BLOB, 5000);
    await writer.settle();
    const file = readAll(fd);
    assert.ok(file.subarray(0, 8192).equals(wrong.subarray(0, 8192)));
    assert.ok(file.subarray(8192).equals(BLOB.subarray(8192)));
    closeSync(fd);
  });

  it('keeps what arrived when it is given up', async () => {
    const fd = openTemporary();
    const writer = new BlobWriter(fd, 0);
    await append(writer, BLOB.subarray(0, 1_500_001), 70_000);
    await writer.settle();
    assert.ok(readAll(fd).equals(BLOB.subarray(0, 1_500_001)));
    closeSync(fd);
  });
});
