import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { EngineError } from '../../../src/core/errors.ts';
import { nullDataSink } from '../../../src/core/layer/data-sink.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { chunksOf, ingest, ingestBlob } from './layer-fixture.ts';

const CONTENT = Buffer.from(
  Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) & 0xff),
);
const TAR = tarOf([
  { name: 'f', content: CONTENT },
  { name: 'g', content: 'end' },
]);
const SKIPPABLE_FRAME = Buffer.from('502a4d1804000000cafecafe', 'hex');

function zstdOf(input: Buffer, options: readonly string[]): Buffer {
  return execFileSync('zstd', ['-q', '-c', ...options], { input });
}

describe('compression', () => {
  const half = Math.floor(TAR.length / 2);
  const blobs: readonly (readonly [what: string, blob: Buffer])[] = [
    ['plain tar', TAR],
    ['gzip', gzipSync(TAR)],
    ['stored gzip', gzipSync(TAR, { level: 0 })],
    [
      'two gzip members',
      Buffer.concat([gzipSync(TAR.subarray(0, half)), gzipSync(TAR.subarray(half))]),
    ],
    ['an empty gzip member first', Buffer.concat([gzipSync(''), gzipSync(TAR)])],
    ['an empty gzip member last', Buffer.concat([gzipSync(TAR), gzipSync('')])],
    ['gzip with zeros behind it', Buffer.concat([gzipSync(TAR), Buffer.alloc(5000)])],
    ['zstd', zstdCompressSync(TAR)],
    [
      'two zstd frames',
      Buffer.concat([
        zstdCompressSync(TAR.subarray(0, half)),
        zstdCompressSync(TAR.subarray(half)),
      ]),
    ],
    ['a skippable zstd frame first', Buffer.concat([SKIPPABLE_FRAME, zstdCompressSync(TAR)])],
    ['a skippable zstd frame last', Buffer.concat([zstdCompressSync(TAR), SKIPPABLE_FRAME])],
    ['an empty zstd frame last', Buffer.concat([zstdCompressSync(TAR), zstdCompressSync('')])],
    [
      'zstd with a checksum, without its size, and zeros behind it',
      Buffer.concat([zstdOf(TAR, ['--check', '--no-content-size']), Buffer.alloc(3)]),
    ],
    ['zstd of one block after another', zstdOf(TAR, ['-1', '--no-compress-literals', '-B1024'])],
  ];
  for (const [what, blob] of blobs) {
    it(`reads ${what}, whatever the media type says and however it is cut`, async () => {
      for (const compression of ['gzip', 'zstd', 'none'] as const) {
        for (const size of compression === 'gzip' ? [777, 1_000_000] : [65_536]) {
          const layer = await ingestBlob(blob, TAR, { compression, source: chunksOf(blob, size) });
          assert.ok(layer.content('f').equals(CONTENT));
          assert.equal(layer.content('g').toString(), 'end');
        }
      }
    });
  }

  it('reads a blob that arrives byte by byte', async () => {
    const tar = tarOf([{ name: 'f', content: 'bytes' }]);
    for (const blob of [
      gzipSync(tar),
      Buffer.concat([SKIPPABLE_FRAME, zstdCompressSync(tar), SKIPPABLE_FRAME, Buffer.alloc(2)]),
    ]) {
      const layer = await ingestBlob(blob, tar, { source: chunksOf(blob, 1) });
      assert.equal(layer.content('f').toString(), 'bytes');
    }
  });

  const foreign: readonly (readonly [what: string, head: string | Buffer, says: RegExp])[] = [
    ['xz', Buffer.from('fd377a585a0000', 'hex'), /says gzip, but its contents are xz/],
    ['bzip2', 'BZh91AY&SY', /says gzip, but its contents are bzip2/],
    ['lz4', Buffer.from('04224d18', 'hex'), /its contents are lz4/],
    [
      'a web page',
      '<!DOCTYPE html>',
      /of an unknown kind \(they begin with the bytes 3c21444f4354\)/,
    ],
    ['a few bytes', 'x', /of an unknown kind/],
  ];
  for (const [what, head, says] of foreign) {
    it(`refuses ${what} and names media type and contents`, async () => {
      const blob = Buffer.concat([
        Buffer.from(head),
        Buffer.alloc(what === 'a few bytes' ? 0 : 2000, '.'),
      ]);
      await assert.rejects(ingestBlob(blob, blob, { compression: 'gzip' }), (error) => {
        assert.ok(error instanceof EngineError);
        assert.equal(error.code, 'MEDIA_TYPE_UNSUPPORTED');
        assert.match(error.message, says);
        assert.match(error.hint ?? '', /gzip or zstd/);
        return true;
      });
    });
  }

  const gzip = gzipSync(TAR);
  const zstd = zstdCompressSync(TAR, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  const flipped = (blob: Buffer, at: number): Buffer => {
    const copy = Buffer.from(blob);
    copy[at] = (copy[at] ?? 0) ^ 0x55;
    return copy;
  };
  const broken: readonly (readonly [what: string, blob: Buffer])[] = [
    ['a gzip with a flipped byte', flipped(gzip, 40)],
    ['a gzip with a wrong CRC', flipped(gzip, gzip.length - 8)],
    ['a gzip with a wrong length', flipped(gzip, gzip.length - 1)],
    ['a gzip without its trailer', gzip.subarray(0, -8)],
    ['a gzip that is cut', gzip.subarray(0, gzip.length >> 1)],
    ['a gzip that is cut in its header', gzip.subarray(0, 6)],
    ['a gzip with garbage behind it', Buffer.concat([gzip, Buffer.from('garbage')])],
    ['a zstd with garbage behind it', Buffer.concat([zstd, Buffer.from('garbage')])],
    ['a zstd with three bytes behind it', Buffer.concat([zstd, Buffer.from('xyz')])],
    ['a zstd with a tar behind it', Buffer.concat([zstd, TAR])],
    ['a zstd with garbage behind zeros', Buffer.concat([zstd, Buffer.alloc(9), Buffer.from('x')])],
    [
      'a zstd with garbage behind a skippable frame',
      Buffer.concat([zstd, SKIPPABLE_FRAME, Buffer.from('garbage')]),
    ],
    ['a zstd with a flipped byte', flipped(zstd, 40)],
    ['a zstd that is cut', zstd.subarray(0, zstd.length >> 1)],
  ];
  for (const [what, blob] of broken) {
    it(`refuses ${what}, though its digest is right`, async () => {
      await assert.rejects(ingestBlob(blob, TAR, { compression: 'gzip' }), (error) => {
        assert.ok(error instanceof EngineError, String(error));
        assert.equal(error.code, 'LAYER_INVALID');
        assert.match(error.message, /^layer 1\/1: its (?:gzip|zstd) data cannot be inflated: /);
        return true;
      });
    });
  }

  it('refuses a zstd window over 128 MiB and reads one of 128 MiB', async () => {
    const long = (windowLog: number): Buffer =>
      execFileSync('zstd', ['-q', '-c', '-1', `--long=${windowLog}`, '--no-check'], { input: TAR });
    const layer = await ingestBlob(long(27), TAR);
    assert.ok(layer.content('f').equals(CONTENT));
    await assert.rejects(ingestBlob(long(31), TAR), /LAYER_INVALID|cannot be inflated/);
  });

  it('reads past megabytes of padding behind the data', async () => {
    const padding = Buffer.alloc(20 * 2 ** 20);
    for (const data of [gzipSync(TAR), zstdCompressSync(TAR)]) {
      const blob = Buffer.concat([data, padding]);
      for (const size of [2 ** 19, 3 * 2 ** 20]) {
        const layer = await ingestBlob(blob, TAR, { source: chunksOf(blob, size) });
        assert.ok(layer.content('f').equals(CONTENT));
      }
    }
  });

  it('stops a bomb long before its end', async () => {
    const megabyte = tarOf([{ name: 'z', content: Buffer.alloc(2 ** 20) }], { endBlocks: false });
    const bomb = gzipSync(Buffer.concat(Array.from({ length: 64 }, () => megabyte)));
    let written = 0;
    const dataSink = {
      ...nullDataSink(),
      write: (_run: Buffer, lengthBytes: number) => {
        written += lengthBytes;
      },
    };
    await assert.rejects(
      ingestBlob(bomb, megabyte, {
        dataSink,
        limits: { freeTarBytes: 2 ** 21, maxExpansion: 100 },
      }),
      /inflate to more than \d+/,
    );
    assert.equal(written, 0, 'zeros are never written');
    await ingest([{ name: 'z', content: Buffer.alloc(2 ** 20) }], {
      compressed: 'gzip',
      limits: { freeTarBytes: 2 ** 21, maxExpansion: 100 },
    });
  });
});
