import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EngineError, type ErrorCode } from '../../../src/core/errors.ts';
import { type ErofsDevice, encodeErofs } from '../../../src/core/rootfs/erofs-writer.ts';
import { mergeLayers } from '../../../src/core/rootfs/merge-layers.ts';
import { imageOf } from './support/layered-image.ts';
import { type EntrySpec, file, layerOf } from './support/layers.ts';

interface RefusedRow {
  readonly name: string;
  readonly entries: readonly EntrySpec[];
  readonly code: ErrorCode;
  readonly message: RegExp;
  /** Blocks of the data file; default 1. */
  readonly blocks?: number;
}

const REFUSED: readonly RefusedRow[] = [
  {
    name: 'an xattr namespace that EROFS does not have',
    entries: [file('d/f', { xattrs: [{ name: 'system.other', value: Buffer.alloc(1) }] })],
    code: 'LAYER_ENTRY_REJECTED',
    message: /^"\/d\/f" has the xattr "system.other", whose namespace EROFS does not have$/,
  },
  {
    name: 'more xattrs than an inode can count',
    entries: [
      file('f', {
        xattrs: Array.from({ length: 5 }, (_, i) => ({
          name: `user.${i}`,
          value: Buffer.alloc(60_000),
        })),
      }),
    ],
    code: 'LAYER_ENTRY_REJECTED',
    message: /^"\/f" has 300052 bytes of xattrs; EROFS holds .* 262148 in all$/,
  },
  {
    name: 'an xattr name of 256 bytes',
    entries: [file('f', { xattrs: [{ name: `user.${'n'.repeat(256)}`, value: Buffer.alloc(1) }] })],
    code: 'LAYER_ENTRY_REJECTED',
    message: /an xattr of 256 \+ 1 bytes/,
  },
  {
    name: 'a name of 256 bytes',
    entries: [file(`d/${'n'.repeat(256)}`)],
    code: 'LAYER_ENTRY_REJECTED',
    message: /^"\/d" has the name "n+…", which no Linux file system holds$/,
  },
  {
    name: 'a file beyond the end of its data file',
    entries: [file('f', { sizeBytes: 4097 })],
    code: 'STORE_CORRUPT',
    message: /places "\/f" at the blocks 0 to 2 of a data file of 1$/,
  },
  {
    name: 'more data than 32-bit block numbers reach',
    entries: [file('f', { sizeBytes: 1 })],
    blocks: 0xffffffff,
    code: 'LAYER_ENTRY_REJECTED',
    message: /the image needs 4294967296 blocks on 1 devices, more than EROFS can address$/,
  },
];

describe('encodeErofs: what it refuses', () => {
  for (const row of REFUSED) {
    it(row.name, () => {
      assert.throws(
        () => imageOf(layerOf(row.entries, row.blocks ?? 1)),
        (error: unknown) => {
          assert.ok(error instanceof EngineError);
          assert.equal(error.code, row.code);
          assert.match(error.message, row.message);
          return true;
        },
      );
    });
  }

  it('takes the largest of each', () => {
    const xattrs = [
      { name: `user.${'n'.repeat(255)}`, value: Buffer.alloc(65_535) },
      { name: 'user.b', value: Buffer.alloc(65_535) },
      { name: 'system.posix_acl_access', value: Buffer.alloc(65_535) },
      { name: 'trusted.d', value: Buffer.alloc(65_200) },
    ];
    const image = imageOf(layerOf([file('n'.repeat(255), { sizeBytes: 4096, xattrs })], 1));
    assert.ok(image.length > 4 * 65_536);
  });

  it('refuses more devices than leave the root in reach', () => {
    const tree = mergeLayers([]);
    const devices: ErofsDevice[] = Array.from({ length: 17_000 }, (_, layer) => ({
      layer,
      blocks: 1,
    }));
    assert.throws(
      () => encodeErofs(tree, { devices, uuid: Buffer.alloc(16) }),
      /on 17000 devices, more than EROFS can address/,
    );
    assert.ok(encodeErofs(tree, { devices: devices.slice(0, 16_000), uuid: Buffer.alloc(16) }));
  });
});
