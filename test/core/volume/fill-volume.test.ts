import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { getXattr, setXattr } from '../../../src/core/host/libc.ts';
import { copyTree } from '../../../src/core/volume/copy-tree.ts';
import { fillVolume } from '../../../src/core/volume/fill-volume.ts';
import { ScratchDirectory } from '../runtime/container-fixture.ts';

const ATTRIBUTE = Buffer.from('user.colour');

/** A volume that is made and empty, and a directory that has one of everything. */
class Fixture implements Disposable {
  readonly #scratch = new ScratchDirectory();
  readonly volume = join(this.#scratch.path, 'volume');
  readonly source = join(this.#scratch.path, 'image');

  constructor() {
    mkdirSync(this.volume);
    fill(this.source);
  }

  provide(source?: string): Promise<string> {
    return fillVolume(this.volume, { durable: false, ...(source === undefined ? {} : { source }) });
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}

function fill(directory: string): void {
  mkdirSync(join(directory, 'sub'), { recursive: true });
  writeFileSync(join(directory, 'sub/file'), 'text');
  setXattr(Buffer.from(join(directory, 'sub/file')), ATTRIBUTE, Buffer.from('red'));
  chownSync(join(directory, 'sub/file'), 12, 34);
  chmodSync(join(directory, 'sub/file'), 0o4711);
  linkSync(join(directory, 'sub/file'), join(directory, 'hard'));
  symlinkSync('/etc/passwd', join(directory, 'link'));
  writeFileSync(Buffer.concat([Buffer.from(directory), Buffer.from('/n\xff', 'latin1')]), '');
  execFileSync('mkfifo', [join(directory, 'fifo')]);
  execFileSync('mknod', [join(directory, 'null'), 'c', '1', '3']);
  utimesSync(join(directory, 'sub'), 1, 1.5);
  chownSync(directory, 56, 78);
  chmodSync(directory, 0o1770);
  utimesSync(directory, 3, 4);
}

function describeTree(directory: string): string[] {
  const format = '%p %y %m %U:%G %T@ %l %n\\n';
  return (
    execFileSync('find', ['.', '-printf', format], { cwd: directory, encoding: 'latin1' })
      .split('\n')
      // The link count of directories depends on the file system.
      .map((line) => (line.includes(' d ') ? line.replace(/ \d+$/, '') : line))
      .sort()
  );
}

describe('fillVolume', () => {
  it('copies types, owners, modes, times, links, attributes and names of bytes', async () => {
    using fixture = new Fixture();
    const dataDir = await fixture.provide(fixture.source);
    assert.deepEqual(describeTree(dataDir), describeTree(fixture.source));
    assert.equal(lstatSync(join(dataDir, 'hard')).ino, lstatSync(join(dataDir, 'sub/file')).ino);
    assert.equal(readlinkSync(join(dataDir, 'link')), '/etc/passwd');
    assert.equal(lstatSync(join(dataDir, 'null')).rdev, lstatSync('/dev/null').rdev);
    const file = Buffer.from(join(dataDir, 'sub/file'));
    assert.equal(getXattr(file, ATTRIBUTE).toString(), 'red');
  });

  it('gives an empty volume owner and mode of a directory that is empty itself', async () => {
    using fixture = new Fixture();
    const empty = join(fixture.source, 'empty');
    mkdirSync(empty);
    chownSync(empty, 5, 6);
    chmodSync(empty, 0o750);
    const stats = lstatSync(await fixture.provide(empty));
    assert.deepEqual([stats.uid, stats.gid, stats.mode & 0o7777], [5, 6, 0o750]);
  });

  it('leaves a volume alone that has content', async () => {
    using fixture = new Fixture();
    const dataDir = await fixture.provide(fixture.source);
    writeFileSync(join(dataDir, 'mine'), '');
    execFileSync('rm', [join(dataDir, 'hard')]);
    await fixture.provide(fixture.source);
    assert.equal(existsSync(join(dataDir, 'hard')), false);
    assert.equal(existsSync(join(dataDir, 'mine')), true);
  });

  it('keeps the directory that another container may have mounted', async () => {
    using fixture = new Fixture();
    const before = lstatSync(await fixture.provide()).ino;
    assert.equal(lstatSync(await fixture.provide(fixture.source)).ino, before);
  });

  it('throws a copy away that was interrupted, and makes it again', async () => {
    using fixture = new Fixture();
    mkdirSync(join(fixture.volume, 'filling/sub'), { recursive: true });
    writeFileSync(join(fixture.volume, 'filling/half'), 'ha');
    const untouched = await fixture.provide();
    assert.deepEqual(readdirSync(untouched), []);
    mkdirSync(join(fixture.volume, 'filling'));
    writeFileSync(join(fixture.volume, 'filling/half'), 'ha');
    const dataDir = await fixture.provide(fixture.source);
    assert.deepEqual(describeTree(dataDir), describeTree(fixture.source));
    assert.equal(existsSync(join(fixture.volume, 'filling')), false);
  });

  it('completes a move that was interrupted, whoever comes next', async () => {
    using fixture = new Fixture();
    const filled = join(fixture.volume, 'filled');
    mkdirSync(filled);
    copyTree(fixture.source, filled);
    const dataDir = join(fixture.volume, '_data');
    mkdirSync(dataDir);
    renameSync(join(filled, 'sub'), join(dataDir, 'sub'));
    // The first move changed the time of the directory that its attributes are taken from.
    utimesSync(filled, 3, 4);
    await fixture.provide();
    assert.deepEqual(describeTree(dataDir), describeTree(fixture.source));
    assert.equal(existsSync(filled), false);
  });

  it('is safe to call at once', async () => {
    using fixture = new Fixture();
    const paths = await Promise.all([1, 2, 3, 4].map(() => fixture.provide(fixture.source)));
    assert.equal(new Set(paths).size, 1);
    assert.deepEqual(describeTree(paths[0] ?? ''), describeTree(fixture.source));
  });

  it('is an empty directory when there is nothing to copy, or a file', async () => {
    using fixture = new Fixture();
    for (const place of ['missing', 'hard', 'hard/below', 'link']) {
      const dataDir = await fixture.provide(join(fixture.source, place));
      assert.deepEqual(readdirSync(dataDir), []);
      assert.equal(readFileSync(join(fixture.source, 'hard'), 'utf8'), 'text');
    }
  });
});
