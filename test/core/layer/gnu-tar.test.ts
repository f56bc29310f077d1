/**
 * Layers made by GNU tar from a real directory tree, against that tree: what the kernel says of each
 * path is what the layer index must say.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { mknod, setTimes, setXattr } from '../../../src/core/host/libc.ts';
import { EntryType, type LayerEntry } from '../../../src/core/oci/layer-index.ts';
import { type IngestedLayer, ingest } from './layer-fixture.ts';

const skip = process.getuid?.() === 0 ? false : 'device nodes and owners need root';
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;
const CAPABILITY = Buffer.from('0100000280000000000000800000000000000000', 'hex');

describe('layers made by GNU tar', { skip }, () => {
  let tree: string;
  /** A path in the tree, from a latin1 name. */
  const at = (name: string): Buffer =>
    Buffer.concat([Buffer.from(`${tree}/`), Buffer.from(name, 'latin1')]);

  before(() => {
    // tmpfs: fast, and it has trusted.* and security.* attributes.
    tree = mkdtempSync('/dev/shm/dray-gnu-tar-');
    makeTree(at);
  });
  after(() => rmSync(tree, { recursive: true }));

  const formats: readonly (readonly [what: string, options: readonly string[]])[] = [
    ['--format=gnu', ['--format=gnu']],
    [
      '--format=posix with sub-second times and xattrs',
      ['--format=posix', '--xattrs', '--xattrs-include=*'],
    ],
    ['old sparse maps', ['--format=gnu', '--sparse']],
    ['sparse maps 0.0', ['--format=posix', '--sparse', '--sparse-version=0.0']],
    ['sparse maps 0.1', ['--format=posix', '--sparse', '--sparse-version=0.1']],
    ['sparse maps 1.0', ['--format=posix', '--sparse', '--sparse-version=1.0']],
    ['records of one block', ['--format=gnu', '-b1']],
  ];
  for (const [what, options] of formats) {
    it(`are read as the tree that they were made from: ${what}`, async () => {
      const tar = execFileSync('tar', ['-C', tree, ...options, '--sort=name', '-cf', '-', '.'], {
        maxBuffer: 2 ** 28,
      });
      const layer = await ingest(tar, { compressed: 'gzip' });
      assert.equal(
        layer.entries.length,
        execFileSync('tar', ['-t'], { input: tar }).toString().trim().split('\n').length,
      );
      const isPosix = options.includes('--format=posix');
      for (const entry of layer.entries)
        checkEntry(entry, { layer, path: at(entry.name), isPosix });
      if (options.includes('--xattrs')) checkXattrs(layer);
    });
  }
});

function makeTree(at: (name: string) => Buffer): void {
  const file = (name: string, content: Buffer | string = name): void =>
    writeFileSync(at(name), content);
  mkdirSync(at('dir/deep'), { recursive: true });
  file('dir/plain', Buffer.alloc(10_000, 'p'));
  file('dir/block', Buffer.alloc(4096, 'b'));
  file('dir/empty', '');
  file('n\xe9\x80\xff');
  file('line\nfeed \\ "quoted"');
  file('n'.repeat(255));
  file('n'.repeat(100));
  mkdirSync(at(`${'p'.repeat(120)}/${'q'.repeat(120)}`), { recursive: true });
  file(`${'p'.repeat(120)}/${'q'.repeat(120)}/file`);
  linkSync(at('dir/plain'), at('dir/deep/hard'));
  linkSync(at('dir/plain'), at(`${'p'.repeat(120)}/${'h'.repeat(120)}`));
  symlinkSync('../../outside', at('dir/link'));
  symlinkSync('t'.repeat(300), at('long-link'));
  symlinkSync(Buffer.from([0xff, 0x0a, 0x80]), at('byte-link'));
  mknod(at('char'), S_IFCHR | 0o620, { major: 5, minor: 2 });
  mknod(at('wide'), S_IFBLK | 0o660, { major: 259, minor: 70_000 });
  mknod(at('pipe'), S_IFIFO | 0o600, { major: 0, minor: 0 });
  file('owned');
  execFileSync('chown', ['4000000000:3000000', at('owned').toString()]);
  chmodSync(at('owned'), 0o4755);
  chmodSync(at('dir/deep'), 0o1777);
  file('tagged');
  setXattr(at('tagged'), Buffer.from('security.capability'), CAPABILITY);
  setXattr(at('tagged'), Buffer.from('trusted.overlay.opaque'), Buffer.from('y'));
  makeSparse(at('sparse'));
  file('old');
  setTimes(at('old'), -5, 0);
  file('precise');
  setTimes(at('precise'), 1_600_000_000, 123_456_789);
  lutimesSync(at('dir/link'), 1000, 1000);
  setTimes(at('dir'), 1_500_000_000, 5);
}

/** Extents enough for several blocks of an old GNU map, and a hole at the end. */
function makeSparse(path: Buffer): void {
  const fd = openSync(path, 'w');
  for (let extent = 0; extent < 40; extent += 1) writeSync(fd, `extent ${extent}`, extent * 20_000);
  ftruncateSync(fd, 1_000_000);
  closeSync(fd);
}

interface Context {
  readonly layer: IngestedLayer;
  readonly path: Buffer;
  readonly isPosix: boolean;
}

function checkEntry(entry: LayerEntry, { layer, path, isPosix }: Context): void {
  const stat = lstatSync(path, { bigint: true });
  const where = entry.name;
  if (entry.type === EntryType.hardlink) {
    const target = layer.entry(entry.link);
    assert.equal(target.type, EntryType.file, where);
    const targetPath = Buffer.from(
      path.toString('latin1').replace(entry.name, entry.link),
      'latin1',
    );
    assert.equal(lstatSync(targetPath, { bigint: true }).ino, stat.ino, where);
    return;
  }
  assert.equal(entry.mode, Number(stat.mode & 0o7777n), where);
  assert.deepEqual([entry.uid, entry.gid], [Number(stat.uid), Number(stat.gid)], where);
  const nanoseconds = BigInt(entry.mtimeSeconds) * 1_000_000_000n + BigInt(entry.mtimeNanoseconds);
  // Only PAX headers hold fractions of seconds.
  const expected = isPosix ? stat.mtimeNs : stat.mtimeNs - (stat.mtimeNs % 1_000_000_000n);
  assert.equal(nanoseconds, expected, where);
  if (entry.type === EntryType.file) {
    assert.ok(stat.isFile(), where);
    assert.ok(readFileSync(path).equals(layer.content(entry.name)), where);
  } else if (entry.type === EntryType.symlink) {
    assert.equal(entry.link, readlinkSync(path, 'latin1'), where);
  } else if (entry.type === EntryType.directory) {
    assert.ok(stat.isDirectory(), where);
  } else {
    checkDevice(entry, stat);
  }
}

function checkDevice(entry: LayerEntry, stat: ReturnType<typeof lstatSync>): void {
  const rdev = Number(stat?.rdev);
  const major = (rdev >> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >> 12) & 0xfff00);
  assert.deepEqual([entry.major, entry.minor], [major, minor], entry.name);
  assert.equal(entry.type === EntryType.characterDevice, stat?.isCharacterDevice(), entry.name);
  assert.equal(entry.type === EntryType.blockDevice, stat?.isBlockDevice(), entry.name);
  assert.equal(entry.type === EntryType.fifo, stat?.isFIFO(), entry.name);
}

function checkXattrs(layer: IngestedLayer): void {
  assert.deepEqual(layer.entry('tagged').xattrs, [
    { name: 'security.capability', value: CAPABILITY },
  ]);
  assert.match(layer.warnings.join('\n'), /ignored 1 extended attribute "trusted\.overlay\.\*"/);
}
