import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EntryType } from '../../../src/core/oci/layer-index.ts';
import { mergeLayers } from '../../../src/core/rootfs/merge-layers.ts';
import {
  directory,
  type EntrySpec,
  file,
  hardlink,
  layerOf,
  opaque,
  outline,
  symlink,
  whiteout,
} from './support/layers.ts';

interface MergeRow {
  readonly name: string;
  readonly layers: readonly (readonly EntrySpec[])[];
  readonly expected: Readonly<Record<string, string>>;
}

const f = (layer: number): string => `file of layer ${layer}`;
const d = 'directory 755';

const WHITEOUTS: readonly MergeRow[] = [
  {
    name: 'a whiteout hides a file of a lower layer',
    layers: [[file('a'), file('b')], [whiteout('a')]],
    expected: { b: f(0) },
  },
  {
    name: 'a whiteout hides a directory with all below it',
    layers: [[directory('d'), file('d/x/y')], [whiteout('d')]],
    expected: {},
  },
  {
    name: 'a whiteout of something that is not there hides nothing',
    layers: [[file('a')], [whiteout('nowhere/b'), whiteout('a/below'), whiteout('c')]],
    expected: { a: f(0) },
  },
  {
    name: 'a whiteout and a file of one name in one layer leave the file, in either order',
    layers: [
      [file('f'), file('g')],
      [file('f'), whiteout('f'), whiteout('g'), file('g')],
    ],
    expected: { f: f(1), g: f(1) },
  },
  {
    name: 'a whiteout of a directory and entries below it leave a new directory',
    layers: [
      [directory('d', { mode: 0o700 }), file('d/old')],
      [whiteout('d'), file('d/new')],
    ],
    expected: { d, 'd/new': f(1) },
  },
  {
    name: 'an opaque directory hides lower layers only, wherever the tar has the marker',
    layers: [
      [directory('d'), file('d/old'), file('d/sub/old')],
      [directory('d'), file('d/before'), opaque('d'), file('d/sub/new')],
    ],
    expected: { d, 'd/before': f(1), 'd/sub': d, 'd/sub/new': f(1) },
  },
  {
    name: 'whiteouts inside an opaque directory leave no trace',
    layers: [
      [file('d/a'), file('d/e/b')],
      [opaque('d'), whiteout('d/a'), opaque('d/e')],
    ],
    expected: { d },
  },
  {
    name: 'an opaque root hides everything',
    layers: [
      [file('a'), directory('b')],
      [opaque(''), file('c')],
    ],
    expected: { c: f(1) },
  },
  {
    name: 'a whiteout hides a symlink, not what it points to',
    layers: [[file('t/x'), symlink('l', 't')], [whiteout('l')]],
    expected: { t: d, 't/x': f(0) },
  },
  {
    name: 'a whiteout below a symlink of a lower layer hides what it points to',
    layers: [[file('run/x'), symlink('var/run', '/run')], [whiteout('var/run/x')]],
    expected: { run: d, var: d, 'var/run': 'symlink to /run' },
  },
  {
    name: 'a directory that replaces a symlink takes the whiteouts below it for itself',
    layers: [
      [file('t/x'), file('t/y'), symlink('l', 't')],
      [directory('l'), opaque('l'), whiteout('l/x'), file('l/new')],
    ],
    expected: { l: d, 'l/new': f(1), t: d, 't/x': f(0), 't/y': f(0) },
  },
];

const REPLACEMENTS: readonly MergeRow[] = [
  {
    name: 'a directory over a directory replaces its attributes and keeps its children',
    layers: [[directory('d', { mode: 0o700 }), file('d/a')], [directory('d', { mode: 0o1777 })]],
    expected: { d: 'directory 1777', 'd/a': f(0) },
  },
  {
    name: 'an implied parent keeps what a lower layer gave it',
    layers: [[directory('d', { mode: 0o700 })], [file('d/a')]],
    expected: { d: 'directory 700', 'd/a': f(1) },
  },
  {
    name: 'a directory, a file and a directory again, layer by layer',
    layers: [[directory('d'), file('d/old')], [file('d')], [directory('d'), file('d/new')]],
    expected: { d, 'd/new': f(2) },
  },
  {
    name: 'an entry below a file replaces the file',
    layers: [[file('f')], [file('f/x')]],
    expected: { f: d, 'f/x': f(1) },
  },
  {
    name: 'of two entries of one name in one layer the last wins',
    layers: [[file('a'), symlink('a', 'x'), directory('b'), file('b/c'), file('b')]],
    expected: { a: 'symlink to x', b: f(0) },
  },
  {
    name: 'a symlink replaces a directory and a directory replaces a symlink',
    layers: [
      [directory('d'), file('d/x'), symlink('l', 'd')],
      [symlink('d', 'elsewhere'), directory('l'), file('l/y')],
    ],
    expected: { d: 'symlink to elsewhere', l: d, 'l/y': f(1) },
  },
  {
    name: 'a file that replaces one name of a hard link group leaves the other name',
    layers: [[file('a'), hardlink('b', 'a')], [file('a')]],
    expected: { a: f(1), b: `${f(0)} =1` },
  },
];

const SYMLINKED_PARENTS: readonly MergeRow[] = [
  {
    name: 'an absolute symlink in a parent position leads to the root of the image',
    layers: [[symlink('var/run', '/run')], [file('var/run/x')]],
    expected: { run: d, 'run/x': f(1), var: d, 'var/run': 'symlink to /run' },
  },
  {
    name: 'dots in a symlink target stop at the root of the image',
    layers: [[symlink('a/up', '../../../../victim')], [file('a/up/x')]],
    expected: { a: d, 'a/up': 'symlink to ../../../../victim', victim: d, 'victim/x': f(1) },
  },
  {
    name: 'two symlinks that climb together stay inside',
    layers: [
      [directory('inner'), symlink('inner/up', '..'), symlink('inner/up/escape', '../victim')],
      [file('inner/up/escape/x')],
    ],
    expected: {
      escape: 'symlink to ../victim',
      inner: d,
      'inner/up': 'symlink to ..',
      victim: d,
      'victim/x': f(1),
    },
  },
  {
    name: 'a directory that becomes a symlink in one layer is followed from then on',
    layers: [[directory('d'), file('d/a'), symlink('d', 'e'), file('d/b')]],
    expected: { d: 'symlink to e', e: d, 'e/b': f(0) },
  },
];

const HARD_LINKS: readonly MergeRow[] = [
  {
    name: 'a hard link to a file of a lower layer is the same inode',
    layers: [[file('a')], [hardlink('b', 'a')]],
    expected: { a: `${f(0)} =1`, b: `${f(0)} =1` },
  },
  {
    name: 'hard links before their targets, in a chain, are one inode',
    layers: [[hardlink('c', 'b'), hardlink('b', 'a'), file('a'), hardlink('d', 'c')]],
    expected: { a: `${f(0)} =1`, b: `${f(0)} =1`, c: `${f(0)} =1`, d: `${f(0)} =1` },
  },
  {
    name: 'a later entry of the name of a waiting hard link wins',
    layers: [[hardlink('b', 'a'), symlink('b', 'x'), file('a')]],
    expected: { a: f(0), b: 'symlink to x' },
  },
  {
    name: 'a hard link through an absolute symlink is the same inode',
    layers: [
      [
        symlink('var/run', '/run'),
        file('var/run/source'),
        hardlink('var/run/link', 'var/run/source'),
      ],
    ],
    expected: {
      run: d,
      'run/link': `${f(0)} =1`,
      'run/source': `${f(0)} =1`,
      var: d,
      'var/run': 'symlink to /run',
    },
  },
  {
    name: 'a hard link to a symlink is the symlink',
    layers: [[symlink('l', 'a'), hardlink('m', 'l')]],
    expected: { l: 'symlink to a =1', m: 'symlink to a =1' },
  },
  {
    name: 'a hard link to its own name changes nothing',
    layers: [[file('a')], [hardlink('a', 'a')]],
    expected: { a: `${f(0)} =1` },
  },
  {
    name: 'a hard link outlives its target',
    layers: [[file('a')], [hardlink('b', 'a')], [whiteout('a')]],
    expected: { b: `${f(0)} =1` },
  },
];

for (const [title, rows] of Object.entries({
  whiteouts: WHITEOUTS,
  replacements: REPLACEMENTS,
  'symlinks in a parent position': SYMLINKED_PARENTS,
  'hard links': HARD_LINKS,
})) {
  describe(`mergeLayers: ${title}`, () => {
    for (const row of rows) {
      it(row.name, () => {
        assert.deepEqual(
          outline(mergeLayers(row.layers.map((layer) => layerOf(layer)))),
          row.expected,
        );
      });
    }
  });
}

describe('mergeLayers', () => {
  it('drops character devices 0:0, which overlayfs takes for whiteouts, and says so', () => {
    const warnings: string[] = [];
    const device = { type: EntryType.characterDevice, name: 'd/w', mode: 0 };
    const layers = [
      layerOf([file('d/w')]),
      layerOf([device, { ...device, name: 'd/n', minor: 1 }]),
    ];
    const tree = mergeLayers(layers, { onWarning: (message) => warnings.push(message) });
    assert.deepEqual(outline(tree), { d, 'd/n': 'device 0:1', 'd/w': f(0) });
    assert.deepEqual(warnings, ['layer 2/2, entry "d/w": the character device 0:0 was dropped']);
  });

  it('takes the attributes of the root from its entry, else 0755 of root', () => {
    assert.deepEqual(pick(mergeLayers([]).root), { mode: 0o755, uid: 0, mtimeSeconds: 0 });
    const root = directory('', { mode: 0o700, uid: 7, mtimeSeconds: 9 });
    assert.deepEqual(pick(mergeLayers([layerOf([root]), layerOf([file('a')])]).root), {
      mode: 0o700,
      uid: 7,
      mtimeSeconds: 9,
    });
  });

  it('replaces the xattrs of a directory with those of the upper layer', () => {
    const xattrs = [{ name: 'user.lower', value: Buffer.from('1') }];
    const tree = mergeLayers([layerOf([directory('d', { xattrs })]), layerOf([directory('d')])]);
    assert.deepEqual(tree.root.children.get('d')?.xattrs, []);
  });

  it('keeps names apart that differ in one byte only', () => {
    const names = ['n\x80', 'n\x81', 'a\nb', 'A', 'a', '\\', '__proto__', 'constructor'];
    const tree = mergeLayers([layerOf(names.map((name) => file(name)))]);
    assert.deepEqual([...tree.root.children.keys()].sort(), names.toSorted());
  });

  it('takes 20,000 opaque markers of one directory and a chain of 20,000 waiting links in a moment', () => {
    const names = Array.from({ length: 20_000 }, (_, i) => `d/f${i}`);
    const links = names.slice(1).map((name, i) => hardlink(name, names[i] ?? ''));
    const started = performance.now();
    const tree = mergeLayers([
      layerOf(names.map((name) => file(name))),
      layerOf([...names.map(() => opaque('d')), ...links.toReversed(), file('d/f0')]),
    ]);
    const node = tree.root.children.get('d');
    assert.ok(node?.type === EntryType.directory);
    assert.equal(new Set(node.children.values()).size, 1);
    // Quadratic work would take minutes.
    assert.ok(performance.now() - started < 5000);
  });

  it('merges 200 layers in the time of their entries', () => {
    const layers = Array.from({ length: 200 }, (_, layer) =>
      layerOf(Array.from({ length: 200 }, (_, i) => file(`d${i % 50}/l${layer}-${i}`))),
    );
    const started = performance.now();
    const tree = mergeLayers(layers);
    assert.equal(tree.root.children.size, 50);
    assert.ok(performance.now() - started < 5000);
  });
});

function pick(node: { mode: number; uid: number; mtimeSeconds: number }) {
  return { mode: node.mode, uid: node.uid, mtimeSeconds: node.mtimeSeconds };
}
