import assert from 'node:assert/strict';
import { closeSync, fstatSync } from 'node:fs';
import { describe, it } from 'node:test';
import { DataPack } from '../../../src/core/layer/data-pack.ts';
import { fileDataSink, nullDataSink } from '../../../src/core/layer/data-sink.ts';
import { engineError } from '../../support/engine-errors.ts';
import { openTemporary, readAll } from './layer-fixture.ts';

/** Part of a file: bytes, or the length of a hole. */
type Part = Buffer | number;

/** Packs files and returns where each begins and the bytes of the data file. */
async function pack(
  files: readonly (readonly Part[])[],
): Promise<{ blocks: number[]; data: Buffer; diskBytes: number }> {
  const fd = openTemporary();
  const sink = fileDataSink(fd);
  const dataPack = new DataPack(sink, 2 ** 30);
  const blocks = files.map((parts) => {
    const block = dataPack.nextBlock();
    for (const part of parts) {
      if (typeof part === 'number') dataPack.appendHole(part);
      else dataPack.append(part);
    }
    return block;
  });
  const total = dataPack.finish();
  await sink.flush();
  await sink.settle();
  const data = readAll(fd);
  assert.equal(data.length, total * 4096);
  const diskBytes = fstatSync(fd).blocks * 512;
  closeSync(fd);
  return { blocks, data, diskBytes };
}

function bytesOf(parts: readonly Part[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.alloc(part) : part)));
}

const MIB = 2 ** 20;
const ones = (length: number): Buffer => Buffer.alloc(length, 0xff);

describe('DataPack', () => {
  const rows: readonly (readonly [what: string, files: readonly (readonly Part[])[]])[] = [
    ['small files', [[ones(1)], [ones(4096)], [ones(4097)], [ones(2)]]],
    ['files after a full run', [[ones(MIB)], [ones(1)], [ones(1)], [ones(5000)]]],
    ['a file that fills runs exactly', [[ones(4096)], [ones(MIB - 4096)], [ones(1)]]],
    ['a file across runs', [[ones(100)], [ones(3 * MIB + 17)], [ones(1)]]],
    ['holes inside a run', [[ones(10), 50, ones(10), 8000, ones(3)], [ones(1)]]],
    ['holes across runs', [[ones(10), 2 * MIB + 4096 + 11, ones(7)], [ones(1)]]],
    ['a hole up to a run', [[ones(96), MIB - 96, ones(7)]]],
    ['holes at the end', [[ones(10), 5 * MIB + 1], [3], [ones(1), MIB]]],
    ['nothing but zeros', [[Buffer.alloc(3 * MIB)], [Buffer.alloc(10)]]],
    ['nothing', []],
  ];
  for (const [what, files] of rows) {
    it(`starts each file on a block and pads it with zeros: ${what}`, async () => {
      // The staging memory is dirty from the first file on, so that missing zeros would show.
      const all = [[ones(MIB + 5)], ...files];
      const { blocks, data } = await pack(all);
      let end = 0;
      for (const [at, parts] of all.entries()) {
        const start = (blocks[at] ?? 0) * 4096;
        const content = bytesOf(parts);
        assert.ok(start >= end && start < end + 4096, `file ${at} starts at ${start} after ${end}`);
        assert.ok(data.subarray(start, start + content.length).equals(content), `file ${at}`);
        assert.ok(
          data.subarray(end, start).every((byte) => byte === 0),
          `before file ${at}`,
        );
        end = start + content.length;
      }
      assert.ok(data.subarray(end).every((byte) => byte === 0));
      assert.ok(data.length < end + 4096);
    });
  }

  it('leaves zeros out of the file, stored or not', async () => {
    const { data, diskBytes } = await pack([[Buffer.alloc(40 * MIB), 40 * MIB, ones(1)]]);
    assert.ok(data.length > 80 * MIB);
    assert.ok(diskBytes < 3 * MIB, `${diskBytes} bytes on disk`);
  });

  it('refuses to grow beyond its limit, by bytes or holes', () => {
    const sink = nullDataSink();
    const refused = engineError('LAYER_INVALID', /take more than 8192 bytes/);
    const dataPack = new DataPack(sink, 8192);
    dataPack.append(ones(8192));
    assert.throws(() => dataPack.append(ones(1)), refused);
    assert.throws(() => new DataPack(sink, 8192).appendHole(8193), refused);
  });
});
