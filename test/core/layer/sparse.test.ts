import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nullDataSink } from '../../../src/core/layer/data-sink.ts';
import { padded, type TarEntrySpec, tarOf } from '../../support/tar-builder.ts';
import { ingest } from './layer-fixture.ts';
import { refuses } from './layer-rows.ts';

type Extent = readonly [offset: number, length: number];

/** Twelve octal digits, as an old GNU map has them. */
const octal = (value: number): string => value.toString(8).padStart(11, '0').padEnd(12, '\0');

function slots(extents: readonly Extent[]): string {
  return extents.map(([offset, length]) => octal(offset) + octal(length)).join('');
}

/** An old GNU sparse entry; extents beyond four go into blocks of 21 behind the header. */
function oldSparse(extents: readonly Extent[], realSize: number, stored: Buffer): TarEntrySpec[] {
  const blocks: Buffer[] = [];
  for (let at = 4; at < extents.length; at += 21) {
    const block = Buffer.alloc(512);
    block.write(slots(extents.slice(at, at + 21)), 0, 'latin1');
    if (extents.length > at + 21) block[504] = 1;
    blocks.push(block);
  }
  const editHeader = (header: Buffer): void => {
    header.write(slots(extents.slice(0, 4)), 386, 'latin1');
    if (blocks.length > 0) header[482] = 1;
    header.write(octal(realSize), 483, 'latin1');
  };
  const entry = { name: 'sp', type: 'S', magic: 'ustar  \0', size: stored.length, editHeader };
  return [entry, { name: '', raw: Buffer.concat([...blocks, padded(stored)]) }];
}

function pax00(extents: readonly Extent[], realSize: number, content: Buffer): TarEntrySpec[] {
  const paxList = [
    ['GNU.sparse.size', String(realSize)] as const,
    ['GNU.sparse.numblocks', String(extents.length)] as const,
    ...extents.flatMap(([offset, length]) => [
      ['GNU.sparse.offset', String(offset)] as const,
      ['GNU.sparse.numbytes', String(length)] as const,
    ]),
  ];
  return [{ name: 'sp', content, paxList }];
}

function pax01(extents: readonly Extent[], realSize: number, content: Buffer): TarEntrySpec[] {
  const pax = {
    'GNU.sparse.size': String(realSize),
    'GNU.sparse.numblocks': String(extents.length),
    'GNU.sparse.name': 'sp',
    'GNU.sparse.map': extents.flat().join(','),
  };
  return [{ name: 'GNUSparseFile.1/sp', content, pax }];
}

const V1 = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' };

function pax10(extents: readonly Extent[], realSize: number, stored: Buffer): TarEntrySpec[] {
  const map = padded([extents.length, ...extents.flat(), ''].join('\n'));
  const pax = { ...V1, 'GNU.sparse.name': 'sp', 'GNU.sparse.realsize': String(realSize) };
  return [{ name: 'GNUSparseFile.1/sp', content: Buffer.concat([map, stored]), pax }];
}

const FORMATS = { 'old GNU': oldSparse, 'PAX 0.0': pax00, 'PAX 0.1': pax01, 'PAX 1.0': pax10 };

/** The file that a map and its stored bytes stand for. */
function expanded(extents: readonly Extent[], realSize: number, stored: Buffer): Buffer {
  const file = Buffer.alloc(realSize);
  let at = 0;
  for (const [offset, length] of extents) {
    stored.copy(file, offset, at, at + length);
    at += length;
  }
  return file;
}

const many: readonly Extent[] = Array.from({ length: 100 }, (_, at) => [at * 5000 + 7, 11]);
const FILES: readonly (readonly [what: string, extents: readonly Extent[], realSize: number])[] = [
  [
    'a hole in the middle',
    [
      [0, 10],
      [9000, 700],
    ],
    9700,
  ],
  ['holes at both ends', [[5000, 600]], 20_000],
  ['nothing but a hole', [], 300_000],
  [
    'an empty extent that marks the end',
    [
      [100, 5],
      [50_000, 0],
    ],
    50_000,
  ],
  [
    'a hole of many megabytes',
    [
      [0, 4096],
      [5_000_001, 3],
    ],
    5_000_005,
  ],
  ['a hundred extents', many, 600_000],
  ['no hole', [[0, 1000]], 1000],
];

for (const [format, build] of Object.entries(FORMATS)) {
  describe(`sparse files, ${format}`, () => {
    for (const [what, extents, realSize] of FILES) {
      it(`restores a file with ${what}`, async () => {
        const length = extents.reduce((total, extent) => total + extent[1], 0);
        const stored = Buffer.from(Array.from({ length }, (_, at) => (at % 255) + 1));
        const tar = [...build(extents, realSize, stored), { name: 'after', content: 'x' }];
        const layer = await ingest(tar);
        assert.deepEqual(
          layer.entries.map(({ name }) => name),
          ['sp', 'after'],
        );
        assert.equal(layer.entry('sp').sizeBytes, realSize);
        assert.ok(layer.content('sp').equals(expanded(extents, realSize, stored)));
        assert.equal(layer.content('after').toString(), 'x');
      });
    }
    const ten = Buffer.alloc(10, 1);
    const wrong: readonly (readonly [
      what: string,
      extents: readonly Extent[],
      realSize: number,
      says: RegExp,
    ])[] = [
      [
        'extents that overlap',
        [
          [0, 6],
          [5, 4],
        ],
        100,
        /not in order/,
      ],
      [
        'extents out of order',
        [
          [50, 5],
          [0, 5],
        ],
        100,
        /not in order/,
      ],
      ['an extent beyond the end', [[95, 10]], 100, /not in order/],
      [
        'fewer bytes than it stores',
        [[0, 9]],
        100,
        /has 10 stored bytes where its sparse map counts 9/,
      ],
      [
        'more bytes than it stores',
        [[0, 11]],
        100,
        /has 10 stored bytes where its sparse map counts 11/,
      ],
    ];
    for (const [what, extents, realSize, says] of wrong) {
      refuses({ what: `a map with ${what}`, tar: build(extents, realSize, ten), says });
    }
  });
}

describe('sparse maps', () => {
  it('keep a terabyte of hole without writing it', async () => {
    const size = 2 ** 40 - 4096;
    const runs: number[] = [];
    let fileBytes = 0;
    const dataSink = {
      ...nullDataSink(),
      write: (_run: Buffer, lengthBytes: number) => {
        runs.push(lengthBytes);
      },
      end: (sizeBytes: number) => {
        fileBytes = sizeBytes;
      },
    };
    const layer = await ingest(pax01([[size - 4, 4]], size, Buffer.from('tail')), { dataSink });
    assert.equal(layer.entry('sp').sizeBytes, size);
    assert.equal(fileBytes, size);
    assert.ok(runs.reduce((total, length) => total + length, 0) <= 2 ** 20);
  });
  it('are ignored on what is not a file', async () => {
    const layer = await ingest([
      { name: 'd', type: 'directory', pax: { 'GNU.sparse.size': '5', 'GNU.sparse.map': '' } },
    ]);
    assert.equal(layer.entry('d').sizeBytes, 0);
  });
  const invalid = { code: 'LAYER_INVALID' } as const;
  refuses({
    ...invalid,
    what: 'an unknown sparse format',
    tar: [{ name: 'f', pax: { 'GNU.sparse.major': '2', 'GNU.sparse.minor': '7' } }],
    says: /unknown format 2\.7/,
  });
  refuses({
    ...invalid,
    what: 'a sparse file without a size',
    tar: [{ name: 'f', pax: { 'GNU.sparse.map': '0,0' } }],
    says: /map or size that is no number/,
  });
  refuses({
    ...invalid,
    what: 'a map that ends in the middle of an extent',
    tar: [{ name: 'f', pax: { 'GNU.sparse.size': '5', 'GNU.sparse.map': '0,1,2' } }],
    says: /middle of an extent/,
  });
  const inContents = (content: Buffer): TarEntrySpec[] => [
    { name: 'f', content, pax: { ...V1, 'GNU.sparse.realsize': '5' } },
  ];
  refuses({
    ...invalid,
    what: 'a map in the contents with a line that is no number',
    tar: inContents(padded('1\n-5\n5\n')),
    says: /no number/,
  });
  refuses({
    ...invalid,
    what: 'a map in the contents without a line end',
    tar: inContents(Buffer.alloc(1024, '1')),
    says: /a line that is no number/,
  });
  refuses({
    ...invalid,
    what: 'a map in the contents that is longer than they are',
    tar: [
      ...inContents(padded('100000000\n'.padEnd(512, '0\n'))),
      { name: '', raw: Buffer.alloc(2048, '0\n') },
    ],
    says: /longer than the contents/,
  });
  refuses({
    ...invalid,
    what: 'a map in the contents of more than 1 MiB',
    tar: inContents(Buffer.from(`100000000\n${'0\n'.repeat(600_000)}`)),
    says: /more than 1048576 bytes/,
  });
  refuses({
    ...invalid,
    what: 'an old GNU map of more than 1 MiB',
    tar: oldSparse(
      Array.from({ length: 50_000 }, (_, at): Extent => [at, 0]),
      50_000,
      Buffer.alloc(0),
    ),
    says: /more than 1048576 bytes/,
  });
  refuses({
    what: 'a sparse file of a negative size',
    tar: [
      { name: 'f', type: 'S', editHeader: (header: Buffer) => void header.fill(0xff, 483, 495) },
    ],
    says: /has a size of -1 bytes/,
  });
  refuses({
    what: 'two maps on one entry',
    tar: [{ name: 'f', type: 'S', pax: { 'GNU.sparse.size': '5', 'GNU.sparse.map': '' } }],
    says: /two sparse maps/,
  });
  refuses({
    what: 'a map that says that a file without extents stores bytes',
    tar: tarOf([{ name: 'f', type: 'S', content: 'x' }]),
    says: /has 1 stored bytes where its sparse map counts 0/,
  });
});
