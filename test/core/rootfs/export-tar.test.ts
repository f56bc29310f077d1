import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import { getXattr } from '../../../src/core/host/libc.ts';
import { EntryType } from '../../../src/core/oci/layer-index.ts';
import { tarHeader } from '../../../src/core/rootfs/export-header.ts';
import { exportTar } from '../../../src/core/rootfs/export-tar.ts';
import { mergeLayers } from '../../../src/core/rootfs/merge-layers.ts';
import type { FileNode } from '../../../src/core/rootfs/tree.ts';
import { LoopExt4 } from '../../support/loop-ext4.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { CONTRACT_CASES } from './support/contract-cases.ts';
import { extract, tarOfLayer, unpackLayers } from './support/gnu-tar.ts';
import { type IngestedLayers, ingestTars } from './support/layered-image.ts';
import { file, layerOf } from './support/layers.ts';
import { snapshot, withoutDirectoryTimes } from './support/snapshot.ts';

async function exportOf({ indexes, dataFiles }: IngestedLayers): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const tree = mergeLayers(indexes);
  for await (const piece of exportTar(tree, { dataFile: (layer) => dataFiles[layer] ?? '' })) {
    assert.ok(piece.length > 0 && piece.length <= 1024 * 1024);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const skip = process.geteuid?.() === 0 ? false : 'needs root: devices and owners';

describe('exportTar', { skip }, () => {
  let disk: LoopExt4;
  before(() => {
    disk = LoopExt4.create();
  });
  after(() => disk[Symbol.dispose]());
  const freshDirectory = (): string => mkdtempSync(join(disk.mountPoint, 'export-'));

  for (const contractCase of CONTRACT_CASES.filter(({ isLarge }) => !isLarge)) {
    it(`is unpacked by GNU tar as the layers are: ${contractCase.name}`, async () => {
      const directory = freshDirectory();
      const layers = contractCase.layers();
      assert.equal(unpackLayers(join(directory, 'oracle'), layers), undefined);
      const tar = await exportOf(await ingestTars(directory, layers.map(tarOfLayer)));
      mkdirSync(join(directory, 'seen'));
      assert.equal(extract(tar, join(directory, 'seen')), undefined);
      const compared = contractCase.hasImpliedParents
        ? withoutDirectoryTimes
        : (lines: ReturnType<typeof snapshot>) => lines;
      const [seen, expected] = ['seen', 'oracle'].map((name) =>
        compared(snapshot(join(directory, name))),
      );
      assert.deepEqual(seen, expected);
    });

    it(`is a layer that exports to the same bytes: ${contractCase.name}`, async () => {
      const directory = freshDirectory();
      const tar = await exportOf(
        await ingestTars(directory, contractCase.layers().map(tarOfLayer)),
      );
      assert.equal(tar.length % 512, 0);
      assert.deepEqual(tar.subarray(-1024), Buffer.alloc(1024));
      mkdirSync(join(directory, 'again'));
      assert.ok(tar.equals(await exportOf(await ingestTars(join(directory, 'again'), [tar]))));
    });
  }

  it('writes xattr names with "=" and "%" as GNU tar does', async () => {
    const directory = freshDirectory();
    const xattrs = [{ name: 'user.a=b%3D', value: Buffer.from('=\n%') }];
    const tar = await exportOf({ indexes: [layerOf([file('f', { xattrs })])], dataFiles: [] });
    assert.equal(extract(tar, directory), undefined);
    const value = getXattr(Buffer.from(join(directory, 'f')), Buffer.from('user.a=b%3D'));
    assert.deepEqual(value, Buffer.from('=\n%'));
  });

  it('refuses a data file that is too short, and closes what it opened', async () => {
    const layers = await ingestTars(freshDirectory(), [
      tarOf([{ name: 'f', content: Buffer.alloc(9000, 'x') }]),
    ]);
    assert.ok((await exportOf(layers)).length > 9000);
    truncateSync(layers.dataFiles[0] ?? '', 4096);
    const open = readdirSync('/proc/self/fd').length;
    await assert.rejects(exportOf(layers), (error: unknown) => {
      assert.ok(error instanceof EngineError);
      assert.equal(error.code, 'STORE_CORRUPT');
      assert.match(error.message, /layer-0\.data" ends at or before byte 4096/);
      return true;
    });
    assert.equal(readdirSync('/proc/self/fd').length, open);
  });

  it('closes what it opened when its consumer stops early', async () => {
    const { indexes, dataFiles } = await ingestTars(freshDirectory(), [
      tarOf([{ name: 'f', content: Buffer.alloc(3 * 1024 * 1024, 'x') }]),
    ]);
    const open = readdirSync('/proc/self/fd').length;
    const pieces = exportTar(mergeLayers(indexes), { dataFile: (layer) => dataFiles[layer] ?? '' });
    for await (const piece of pieces) {
      assert.equal(piece.length, 1024 * 1024);
      assert.equal(readdirSync('/proc/self/fd').length, open + 1);
      break;
    }
    assert.equal(readdirSync('/proc/self/fd').length, open);
  });
});

describe('tarHeader', () => {
  const node: FileNode = {
    type: EntryType.file,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    xattrs: [],
    hasLinks: false,
    sizeBytes: 0,
    layer: 0,
    block: 0,
  };
  const records = (more: Partial<FileNode>, name = 'f'): string =>
    tarHeader({ ...node, ...more }, name)
      .toString('latin1', 512)
      .split('\0')[0] ?? '';

  for (const [name, more, expected] of [
    ['8 GiB', { sizeBytes: 2 ** 33 }, '19 size=8589934592\n'],
    ['an owner over seven octal digits', { uid: 2_097_152 }, '15 uid=2097152\n'],
    ['a group over seven octal digits', { gid: 4_294_967_295 }, '18 gid=4294967295\n'],
    ['a nanosecond', { mtimeNanoseconds: 1 }, '21 mtime=0.000000001\n'],
    ['half a second', { mtimeSeconds: 5, mtimeNanoseconds: 5e8 }, '13 mtime=5.5\n'],
    ['a time before 1970', { mtimeSeconds: -10 }, '13 mtime=-10\n'],
    [
      'a quarter second before 1970',
      { mtimeSeconds: -1, mtimeNanoseconds: 75e7 },
      '15 mtime=-0.25\n',
    ],
    ['a time after 2242', { mtimeSeconds: 2 ** 33 }, '20 mtime=8589934592\n'],
  ] as const) {
    it(`puts ${name} into a PAX record`, () => {
      assert.equal(records(more), expected);
    });
  }

  it('needs no PAX record for what ustar holds', () => {
    const largest = { sizeBytes: 2 ** 33 - 1, uid: 2_097_151, mtimeSeconds: 2 ** 33 - 1 };
    assert.equal(tarHeader({ ...node, ...largest }, 'n'.repeat(100)).length, 512);
  });

  it('counts the digits of a record whose length they change', () => {
    for (const length of [90, 91, 92, 93, 94, 990, 991, 992, 993, 994]) {
      const text = records({}, 'n'.repeat(length + 20));
      const record = text.slice(0, Number.parseInt(text, 10));
      assert.equal(record, `${record.length} path=${'n'.repeat(length + 20)}\n`);
    }
  });
});
