import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import { EntryType } from '../../../src/core/oci/layer-index.ts';
import { mergeLayers } from '../../../src/core/rootfs/merge-layers.ts';
import {
  directory,
  type EntrySpec,
  file,
  hardlink,
  layerOf,
  outline,
  symlink,
  whiteout,
} from './support/layers.ts';

/** Symlinks that lead from `from` to `to` in `count` steps. */
function chain(count: number): EntrySpec[] {
  return Array.from({ length: count }, (_, i) => symlink(`s${i}`, `s${i + 1}`));
}

interface RejectedRow {
  readonly name: string;
  readonly layers: readonly (readonly EntrySpec[])[];
  readonly message: RegExp;
}

const REJECTED: readonly RejectedRow[] = [
  {
    name: 'a loop of symlinks in a parent position',
    layers: [[symlink('a', 'b'), symlink('b', 'a')], [file('a/x')]],
    message:
      /^layer 2\/2, entry "a\/x": the directory "a" leads through more than 40 symlinks or 8192 steps$/,
  },
  {
    name: 'a chain of 41 symlinks in a parent position',
    layers: [chain(41), [file('s0/x')]],
    message: /more than 40 symlinks/,
  },
  {
    name: 'symlinks in a parent position that cost 2000 steps each',
    layers: [
      Array.from({ length: 6 }, (_, i) => symlink(`s${i}`, `${'./'.repeat(2040)}s${i + 1}`)),
      [file('s0/x')],
    ],
    message: /or 8192 steps$/,
  },
  {
    name: 'a hard link to nothing, naming both',
    layers: [[file('a')], [hardlink('b', 'gone/c')]],
    message:
      /entry "b": the hard link target "gone\/c" is neither in this layer nor in a lower one$/,
  },
  {
    name: 'a hard link to what the same layer hides',
    layers: [[file('a')], [hardlink('b', 'a'), whiteout('a')]],
    message: /entry "b": the hard link target "a" is neither/,
  },
  {
    name: 'hard links that only name each other',
    layers: [[hardlink('a', 'b'), hardlink('b', 'a')]],
    message: /entry "[ab]": the hard link target "[ab]" is neither/,
  },
  {
    name: 'a hard link to a directory',
    layers: [[directory('d'), hardlink('e', 'd')]],
    message: /entry "e": the hard link target "d" is a directory$/,
  },
  {
    name: 'a hard link to the root',
    layers: [[hardlink('e', '')]],
    message: /entry "e": the hard link target "" is a directory$/,
  },
  {
    name: 'a root that is not a directory',
    layers: [[file('')]],
    message: /^layer 1\/1, entry "": the root of the image must be a directory$/,
  },
  {
    name: 'a symlink to nothing',
    layers: [[symlink('l', '')]],
    message: /the symlink target "" has 0 bytes, not 1 to 4095$/,
  },
  {
    name: 'names in UTF-8 and in no encoding',
    layers: [[hardlink('\xc3\xa9', '\xe9')]],
    message: /entry "é": the hard link target "\\xe9" is neither/,
  },
  {
    name: 'a symlink target of 4096 bytes',
    layers: [[symlink('l', 'x'.repeat(4096))]],
    message: /has 4096 bytes, not 1 to 4095$/,
  },
  {
    name: 'a device number that Linux does not have',
    layers: [[{ type: EntryType.blockDevice, name: 'b', major: 4096, minor: 0 }]],
    message: /the device number 4096:0 is over 4095:1048575$/,
  },
];

describe('mergeLayers: what it rejects', () => {
  for (const row of REJECTED) {
    it(row.name, () => {
      assert.throws(
        () => mergeLayers(row.layers.map((layer) => layerOf(layer))),
        (error: unknown) => {
          assert.ok(error instanceof EngineError);
          assert.equal(error.code, 'LAYER_ENTRY_REJECTED');
          assert.match(error.message, row.message);
          return true;
        },
      );
    });
  }

  it('follows a chain of 40 symlinks and takes the largest device number and target', () => {
    const tree = mergeLayers([
      layerOf([...chain(40), directory('s40')]),
      layerOf([
        file('s0/x'),
        symlink('l', 'x'.repeat(4095)),
        { type: EntryType.blockDevice, name: 'b', major: 4095, minor: 1_048_575 },
      ]),
    ]);
    const lines = outline(tree);
    assert.equal(lines['s40/x'], 'file of layer 1');
    assert.equal(lines.b, 'device 4095:1048575');
  });
});
