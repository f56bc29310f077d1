/** The images of the back-end contract suite. Every layer lists the directories that it touches. */
import { randomFillSync } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TarEntrySpec } from '../../../support/tar-builder.ts';
import { gnuTar, type LayerSpec } from './gnu-tar.ts';

/** An image, and what it shows. */
export interface ContractCase {
  readonly name: string;
  readonly layers: () => readonly LayerSpec[];
  /** Whether a layer changes a directory that it does not list: tar then sets its time. */
  readonly hasImpliedParents?: boolean;
  /** Whether it is about how many there are of something, which takes time. */
  readonly isLarge?: boolean;
}

const MTIME = '1700000000.123456789';

const dir = (name: string, more: Partial<TarEntrySpec> = {}): TarEntrySpec => ({
  ...more,
  name: `${name}/`,
  type: 'directory',
  mtime: more.mtime ?? MTIME,
});
const file = (name: string, content = name, more: Partial<TarEntrySpec> = {}): TarEntrySpec => ({
  ...more,
  name,
  content,
  mtime: more.mtime ?? MTIME,
});
const link = (name: string, target: string): TarEntrySpec => ({
  name,
  type: 'hardlink',
  link: target,
  mtime: MTIME,
});
const symlink = (name: string, target: string): TarEntrySpec => ({
  name,
  type: 'symlink',
  link: target,
  mode: 0o777,
  mtime: MTIME,
});
const hidden = (name: string): TarEntrySpec => ({ name, mtime: MTIME });

/** Version 3: cap_setuid, effective, for the namespace of user 100000; with bytes above 0x7f. */
const CAPABILITY = Buffer.from('0100000380000000000000000000000000000000a0860100', 'hex');
/** user::rw-, user:1000:r--, group::r--, mask::r--, other::r--. */
const ACL = Buffer.from(
  '0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000400ffffffff',
  'hex',
);
const DEFAULT_ACL = Buffer.from(
  '0200000001000700ffffffff02000500e803000004000500ffffffff10000500ffffffff20000500ffffffff',
  'hex',
);

function everyAttribute(): TarEntrySpec[] {
  return [
    dir('.', { mode: 0o711, uid: 3, gid: 4, xattrs: { 'user.root': 'yes' } }),
    dir('bin', { mode: 0o1777 }),
    file('bin/setuid', 'x', { mode: 0o4755, uid: 1000, gid: 1001 }),
    file('bin/setgid', 'x', { mode: 0o2755, uid: 0, gid: 50 }),
    file('bin/both', 'x', { mode: 0o6711, uid: 4_294_967_290, gid: 4_294_967_291 }),
    file('bin/none', 'x', { mode: 0 }),
    file('bin/capable', 'x', { uid: 9, xattrs: { 'security.capability': CAPABILITY } }),
    dir('closed', { mode: 0 }),
    file('closed/inside'),
    dir('dev'),
    { name: 'dev/null', type: 'character-device', major: 1, minor: 3, mode: 0o666, mtime: MTIME },
    { name: 'dev/loop', type: 'block-device', major: 259, minor: 70_000, gid: 6, mtime: MTIME },
    { name: 'dev/pipe', type: 'fifo', mode: 0o622, uid: 5, mtime: MTIME },
    dir('xattrs', { xattrs: { 'system.posix_acl_default': DEFAULT_ACL } }),
    file('xattrs/binary', 'x', { xattrs: { 'user.bytes': Buffer.from([0, 0x80, 0xff, 10, 0]) } }),
    file('xattrs/empty', '', { xattrs: { 'user.empty': '' } }),
    file('xattrs/large', 'x', { xattrs: { 'user.large': Buffer.alloc(2500, 0xe9) } }),
    file('xattrs/acl', 'x', { xattrs: { 'system.posix_acl_access': ACL } }),
    file('xattrs/many', 'x', {
      xattrs: Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`user.n${i}`, `v${i}`])),
    }),
    dir('times', { mtime: '-86400.25' }),
    file('times/before-1970', 'x', { mtime: '-5.75' }),
    file('times/late', 'x', { mtime: '8589934592.000000001' }),
    file('times/whole', 'x', { mtime: 1 }),
  ];
}

function everyName(): TarEntrySpec[] {
  const names = [
    '-a',
    '!x',
    '.a',
    '..a',
    '.-',
    ' ',
    'new\nline',
    'back\\slash',
    'C:..',
    'n\x80',
    'n\x81',
    '\xff\xfe',
    'x'.repeat(255),
    `${'y'.repeat(254)}\xe9`,
    'e\xcc\x81',
    '\xc3\xa9',
    'Case',
    'case',
  ];
  const deep = Array.from({ length: 12 }, (_, i) => String(i).repeat(120).slice(0, 120));
  const deepDirs = deep.map((_, i) => dir(['names', ...deep.slice(0, i + 1)].join('/')));
  return [
    dir('names'),
    ...names.map((name) => file(`names/${name}`)),
    ...deepDirs,
    file(['names', ...deep, 'leaf'].join('/')),
    dir('links'),
    ...[1, 99, 100, 101, 3900, 4031, 4032, 4033, 4095].map((length) =>
      symlink(`links/${length}`, 'z'.repeat(length)),
    ),
    symlink('links/bytes', '\x80/\xff'),
    symlink('links/absolute', '/etc/passwd'),
    symlink('links/climbing', '../../../../../../etc/passwd'),
  ];
}

function everySize(): TarEntrySpec[] {
  const sizes = [0, 1, 511, 512, 4095, 4096, 4097, 8192, 65_537, 1_048_576, 3_000_001];
  return [
    dir('sizes'),
    ...sizes.map((size) => ({
      ...file(`sizes/${size}`),
      content: randomFillSync(Buffer.alloc(size)),
    })),
    { ...file('sizes/zeros'), content: Buffer.alloc(1_500_000) },
  ];
}

/** A sparse file as GNU tar writes it. */
function sparseLayer(...format: string[]): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'dray-sparse-'));
  try {
    const path = join(directory, 'sparse');
    const descriptor = openSync(path, 'w');
    writeSync(descriptor, 'start', 0);
    writeSync(descriptor, 'middle', 2_500_000);
    closeSync(descriptor);
    truncateSync(path, 5_242_880);
    const mode = ['--create', '--file=-', '--sparse', '--mtime=@1700000000', ...format];
    return gnuTar([...mode, `--directory=${directory}`, 'sparse']).stdout;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function numbered(count: number, content: (i: number) => string): TarEntrySpec[] {
  return Array.from({ length: count }, (_, i) => file(`big/entry-${i}`, content(i), { mtime: i }));
}

export const CONTRACT_CASES: readonly ContractCase[] = [
  { name: 'every type with every attribute', layers: () => [everyAttribute()] },
  { name: 'names and link targets of any bytes and length', layers: () => [everyName()] },
  { name: 'contents at every edge of a block', layers: () => [everySize()] },
  { name: 'no layers', layers: () => [] },
  {
    name: 'empty layers, and layers of which nothing is left',
    layers: () => [
      Buffer.alloc(0),
      [dir('a'), file('a/gone', 'bytes that no file needs')],
      [],
      [dir('a'), hidden('a/.wh.gone'), file('a/empty', '')],
      [dir('a'), file('a/b', 'kept')],
      [hidden('.wh.nothing')],
    ],
    hasImpliedParents: true,
  },
  {
    name: 'whiteouts and opaque directories',
    layers: () => [
      [dir('a'), file('a/1'), file('a/2'), dir('b'), file('b/1'), dir('b/c'), file('b/c/1')],
      [dir('a'), hidden('a/.wh.1'), file('a/3'), dir('b'), file('b/2'), hidden('b/.wh..wh..opq')],
      [dir('b'), dir('b/c'), file('b/c/2'), hidden('.wh.a'), dir('a', { mode: 0o700 })],
    ],
    hasImpliedParents: true,
  },
  {
    name: 'a directory, a file, a symlink and a directory again',
    layers: () => [
      [dir('x'), dir('x/deep'), file('x/deep/1'), symlink('y', 'x'), file('z')],
      [file('x'), dir('y'), file('y/new'), symlink('z', 'x')],
      [dir('x', { mode: 0o750 }), file('x/2'), file('y'), dir('z')],
    ],
    hasImpliedParents: true,
  },
  {
    name: 'parents that are not listed, and a symlink in the place of one',
    layers: () => [
      [dir('usr', { mode: 0o700, uid: 8 }), dir('usr/lib'), symlink('lib', 'usr/lib')],
      [file('usr/lib/a/b/c'), file('lib/through'), file('new/implied')],
    ],
    hasImpliedParents: true,
  },
  {
    name: 'hard links, in a layer and across layers',
    layers: () => [
      [dir('d'), file('d/a', 'one inode', { mode: 0o4711, uid: 7 }), link('d/b', 'd/a')],
      [dir('d'), link('d/c', 'd/b'), file('d/a', 'another'), dir('e'), symlink('e/s', 'x')],
      [dir('e'), link('e/d', 'd/c'), hidden('d/.wh.b'), dir('d'), link('e/t', 'e/s')],
    ],
    hasImpliedParents: true,
  },
  {
    name: 'sparse files in three formats',
    layers: () => [
      [...[dir('s')]],
      sparseLayer('--format=gnu', '--transform=s,^,s/old-,'),
      sparseLayer('--format=posix', '--sparse-version=0.1', '--transform=s,^,s/one-,'),
      sparseLayer('--format=posix', '--sparse-version=1.0', '--transform=s,^,s/two-,'),
    ],
    hasImpliedParents: true,
  },
  {
    name: 'a directory of 20,000 entries, half of them hidden again',
    layers: () => [
      [dir('big'), ...numbered(20_000, (i) => (i % 100 === 0 ? `content ${i}` : ''))],
      [
        dir('big'),
        ...Array.from({ length: 10_000 }, (_, i) => hidden(`big/.wh.entry-${2 * i + 1}`)),
      ],
    ],
    isLarge: true,
  },
  {
    name: 'forty layers with a file each',
    isLarge: true,
    layers: () =>
      Array.from({ length: 40 }, (_, i) => [dir('l'), file(`l/${i}`), file('l/same', `${i}`)]),
  },
];
