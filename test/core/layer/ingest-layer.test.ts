import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { compareDataSink, fileDataSink, nullDataSink } from '../../../src/core/layer/data-sink.ts';
import { digestOf } from '../../../src/core/oci/digest.ts';
import { decodeLayerIndex } from '../../../src/core/oci/layer-index.ts';
import { engineError } from '../../support/engine-errors.ts';
import { tarOf } from '../../support/tar-builder.ts';
import {
  chunksOf,
  diffIdOf,
  entriesOf,
  ingest,
  ingestBlob,
  openTemporary,
  readAll,
} from './layer-fixture.ts';

const RANDOM = Buffer.from(
  Array.from({ length: 200_000 }, (_, at) => (at * at * 31 + (at >> 7)) & 0xff),
);
const TAR = tarOf([
  { name: 'd', type: 'directory', mtime: 5 },
  { name: 'd/one', content: RANDOM, xattrs: { 'user.x': 'y' } },
  { name: 'd/empty' },
  { name: 'd/two', content: 'two', uid: 7, gid: 8 },
]);
const BLOB = gzipSync(TAR, { level: 1 });
/** A tar that is refused in its first entry, though all its bytes are as announced. */
const EVIL_TAR = tarOf([{ name: '../evil' }, { name: 'f', content: RANDOM }]);

describe('ingestLayer', () => {
  it('gives an index whose files stand block-aligned in the data file', async () => {
    const layer = await ingestBlob(BLOB, TAR);
    assert.deepEqual(
      layer.entries.map(({ name, sizeBytes, block }) => [name, sizeBytes, block]),
      [
        ['d', 0, 0],
        ['d/one', 200_000, 0],
        ['d/empty', 0, 0],
        ['d/two', 3, 49],
      ],
    );
    assert.equal(layer.data.length, 50 * 4096);
    assert.equal(layer.index.dataBlocks, 50);
    assert.ok(layer.content('d/one').equals(RANDOM));
    assert.ok(layer.data.subarray(200_000, 49 * 4096).every((byte) => byte === 0));
    assert.ok(layer.data.subarray(49 * 4096 + 3).every((byte) => byte === 0));
    assert.deepEqual(layer.warnings, []);
  });

  it('gives an index that survives its file', async () => {
    const { index, entries } = await ingestBlob(BLOB, TAR);
    assert.deepEqual(entriesOf(decodeLayerIndex(index.encode(), 'test')), entries);
  });

  it('gives the same index and data however the blob is compressed and cut', async () => {
    const expected = await ingest(TAR);
    for (const compressed of ['gzip', 'zstd'] as const) {
      const layer = await ingest(TAR, { compressed });
      assert.ok(layer.index.encode().equals(expected.index.encode()));
      assert.ok(layer.data.equals(expected.data));
    }
    for (const size of [1, 511, 513, 100_000]) {
      const layer = await ingest(TAR, { source: chunksOf(TAR, size) });
      assert.ok(layer.index.encode().equals(expected.index.encode()), `pieces of ${size}`);
      assert.ok(layer.data.equals(expected.data), `pieces of ${size}`);
    }
  });

  it('reports how much of the blob it has read', async () => {
    const reported: number[] = [];
    const source = chunksOf(BLOB, 50_000);
    await ingestBlob(BLOB, TAR, { source, onBytes: (bytes) => reported.push(bytes) });
    assert.equal(reported[0], 50_000);
    assert.equal(reported.at(-1), BLOB.length);
  });

  it('verifies sha512 digests and diffIDs', async () => {
    const digest = digestOf(BLOB, 'sha512');
    const diffId = digestOf(TAR, 'sha512') as string as ReturnType<typeof diffIdOf>;
    const layer = await ingestBlob(BLOB, TAR, { expected: { digest, size: BLOB.length, diffId } });
    assert.equal(layer.entries.length, 4);
  });
});

describe('ingestLayer, when the blob is not the expected one', () => {
  const expected = { digest: digestOf(BLOB), size: BLOB.length, diffId: diffIdOf(TAR) };
  const flipped = (at: number): Buffer => {
    const copy = Buffer.from(BLOB);
    copy[at] = (copy[at] ?? 0) ^ 0xff;
    return copy;
  };
  const evil = gzipSync(EVIL_TAR);
  const rows = [
    ['is cut', 'SIZE_MISMATCH', BLOB.subarray(0, 1000)],
    ['is empty', 'SIZE_MISMATCH', Buffer.alloc(0)],
    ['is too long', 'SIZE_MISMATCH', Buffer.concat([BLOB, Buffer.alloc(1)])],
    ['is much too long', 'SIZE_MISMATCH', Buffer.concat([BLOB, Buffer.alloc(500_000)])],
    ['has a wrong first byte', 'DIGEST_MISMATCH', flipped(0)],
    ['has a wrong byte that breaks the gzip', 'DIGEST_MISMATCH', flipped(100)],
    ['has a wrong last byte', 'DIGEST_MISMATCH', flipped(BLOB.length - 1)],
    ['is a web page of the right size', 'DIGEST_MISMATCH', Buffer.alloc(BLOB.length, '<html>')],
    ['is another layer, and an evil one', 'SIZE_MISMATCH', evil],
  ] as const;
  for (const [what, code, blob] of rows) {
    it(`says ${code} when it ${what}, whatever else its bytes cause`, async () => {
      for (const size of [300, 65_536]) {
        const source = chunksOf(blob, size);
        await assert.rejects(
          ingestBlob(blob, TAR, { expected, source, compression: 'gzip' }),
          engineError(code, /^layer 1\/1 /),
        );
      }
    });
  }

  it('reads no more of an endless source than one byte too many', async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        given += 4096;
        yield Buffer.alloc(4096, 'x');
      }
    }
    const size = 50_000;
    await assert.rejects(
      ingestBlob(BLOB, TAR, { source: endless(), expected: { ...expected, size } }),
      engineError('SIZE_MISMATCH'),
    );
    assert.ok(given < size + 2 * 4096, `${given} bytes read`);
  });

  it('names both diffIDs when only the tar is another one', async () => {
    const wrong = { ...expected, diffId: diffIdOf(Buffer.from('other')) };
    await assert.rejects(
      ingestBlob(BLOB, TAR, { expected: wrong }),
      engineError('DIGEST_MISMATCH', new RegExp(`${wrong.diffId}.*${expected.diffId}`)),
    );
  });

  it('accuses the contents only once the whole blob proved right', async () => {
    let isReadToEnd = false;
    async function* source(): AsyncGenerator<Buffer> {
      yield* chunksOf(EVIL_TAR, 512);
      isReadToEnd = true;
    }
    await assert.rejects(
      ingest(EVIL_TAR, { source: source() }),
      engineError('LAYER_ENTRY_REJECTED', /leads out of the root/),
    );
    assert.ok(isReadToEnd);
  });
});

describe('ingestLayer, when it must stop', () => {
  /** A source that tells whether it was ended. */
  function watched(chunks: AsyncIterable<Buffer>): {
    source: AsyncIterable<Buffer>;
    isEnded(): boolean;
  } {
    let isEnded = false;
    async function* source(): AsyncGenerator<Buffer> {
      try {
        yield* chunks;
      } finally {
        isEnded = true;
      }
    }
    return { source: source(), isEnded: () => isEnded };
  }

  it('throws the reason of its signal and ends its source', async () => {
    for (const compressed of ['none', 'gzip'] as const) {
      const controller = new AbortController();
      const blob = compressed === 'gzip' ? BLOB : TAR;
      const { source, isEnded } = watched(chunksOf(blob, 1000));
      const reason = new Error('enough');
      const onBytes = (bytes: number): void => {
        if (bytes > 3000) controller.abort(reason);
      };
      await assert.rejects(
        ingestBlob(blob, TAR, { source, onBytes, signal: controller.signal }),
        (error) => error === reason,
      );
      assert.ok(isEnded());
    }
  });

  it('throws what its source throws', async () => {
    const reason = new Error('connection lost');
    async function* source(): AsyncGenerator<Buffer> {
      yield BLOB.subarray(0, 1000);
      throw reason;
    }
    await assert.rejects(ingestBlob(BLOB, TAR, { source: source() }), (error) => error === reason);
  });

  it('says what the system said when the data or the blob cannot be written', async () => {
    const full = openSync('/dev/full', 'w');
    const { source, isEnded } = watched(chunksOf(BLOB, 1000));
    await assert.rejects(
      ingestBlob(BLOB, TAR, { source, dataSink: fileDataSink(full) }),
      engineError('HOST_CALL_FAILED', /ENOSPC/),
    );
    assert.ok(isEnded());
    closeSync(full);
  });

  it('leaves no descriptor open after a hundred failures', async () => {
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const corrupt = Buffer.concat([BLOB.subarray(0, 5000), Buffer.alloc(5000)]);
    await assert.rejects(ingestBlob(corrupt, TAR));
    const before = descriptors();
    for (let count = 0; count < 100; count += 1) await assert.rejects(ingestBlob(corrupt, TAR));
    assert.equal(descriptors(), before);
  });

  it('holds its source back while the data is slow to be written', async () => {
    // Half a gigabyte of tar from a small blob: only what waits to be inflated may be read ahead.
    const part = tarOf([{ name: 'f', content: RANDOM }], { endBlocks: false });
    const member = gzipSync(part, { level: 0 });
    const parts = 200;
    const blob = Buffer.concat(Array.from({ length: parts }, () => member));
    const tar = Buffer.concat(Array.from({ length: parts }, () => part));
    let given = 0;
    let written = 0;
    let furthestAhead = 0;
    async function* source(): AsyncGenerator<Buffer> {
      for await (const chunk of chunksOf(blob)) {
        given += chunk.length;
        furthestAhead = Math.max(furthestAhead, given - written);
        yield chunk;
      }
    }
    const dataSink = {
      ...nullDataSink(),
      write: (_run: Buffer, lengthBytes: number) => {
        written += lengthBytes;
      },
    };
    await ingestBlob(blob, tar, { source: source(), dataSink });
    assert.ok(furthestAhead < 20 * 2 ** 20, `${furthestAhead} bytes ahead`);
    assert.ok(given > 35 * 2 ** 20);
  });
});

describe('compareDataSink', () => {
  const bigTar = tarOf([
    { name: 'a', content: RANDOM },
    { name: 'zeros', content: Buffer.alloc(3 * 2 ** 20) },
    { name: 'b', content: 'b' },
  ]);
  /** Whether the data file of `bigTar`, after `damage`, is found to be equal. */
  async function compareAfter(damage: (data: Buffer) => Buffer): Promise<boolean> {
    const { data } = await ingest(bigTar);
    const damaged = damage(data);
    const fd = openTemporary();
    writeSync(fd, damaged, 0, damaged.length, 0);
    const dataSink = compareDataSink(fd);
    await ingest(bigTar, { dataSink });
    assert.ok(readAll(fd).equals(damaged), 'the file is left alone');
    closeSync(fd);
    return dataSink.isEqual;
  }
  const setByte =
    (at: number) =>
    (data: Buffer): Buffer => {
      data[at] = (data[at] ?? 0) ^ 1;
      return data;
    };

  it('finds an intact file equal', async () => assert.ok(await compareAfter((data) => data)));
  const damages: readonly (readonly [what: string, damage: (data: Buffer) => Buffer])[] = [
    ['a changed first byte', setByte(0)],
    ['a changed byte of padding', setByte(200_001)],
    ['a changed byte in a hole', setByte(2 ** 21 + 5)],
    ['a changed byte in the last block', (data) => setByte(data.length - 1)(data)],
    ['a missing last block', (data) => data.subarray(0, -4096)],
    ['one block too many', (data) => Buffer.concat([data, Buffer.alloc(4096)])],
    ['no bytes at all', () => Buffer.alloc(0)],
  ];
  for (const [what, damage] of damages) {
    it(`sees ${what}`, async () => assert.equal(await compareAfter(damage), false));
  }
});
