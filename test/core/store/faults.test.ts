/** A store on a full disk, on a read-only file system, on other kinds of file systems. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { putSmallBlob } from '../../../src/core/store/blob-store.ts';
import { collect, removeImages } from '../../../src/core/store/collect.ts';
import { tryAcquireShared } from '../../../src/core/store/gc-lock.ts';
import { ImageStore } from '../../../src/core/store/image-store.ts';
import { readSummary, touchLastUsed } from '../../../src/core/store/image-summary.ts';
import { Lease } from '../../../src/core/store/lease.ts';
import { engineError } from '../../support/engine-errors.ts';
import { LoopExt4 } from '../../support/loop-ext4.ts';
import { filesBelow, imageOf, NOT_IN_USE, problemsOf, putImage } from './store-fixture.ts';

const asRoot = { skip: process.geteuid?.() === 0 ? false : 'only root can mount' };

/** A tmpfs of its own, unmounted at the end. */
class SmallTmpfs implements Disposable {
  readonly mountPoint = mkdtempSync(join(tmpdir(), 'dray-tmpfs-'));
  readonly dataDir = join(this.mountPoint, 'store');

  constructor(options: string) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', this.mountPoint]);
  }

  remount(options: string): void {
    execFileSync('mount', ['-o', `remount,${options}`, this.mountPoint]);
  }

  [Symbol.dispose](): void {
    execFileSync('umount', [this.mountPoint]);
    rmSync(this.mountPoint, { recursive: true });
  }
}

/** Takes all space that is left, to the last block. */
function fillUp(mountPoint: string): void {
  const path = join(mountPoint, 'filler');
  const { bavail, bsize } = statfsSync(mountPoint);
  writeFileSync(path, Buffer.alloc(bavail * bsize));
  assert.equal(statfsSync(mountPoint).bavail, 0);
}

const A = imageOf('base', 'a');

describe('a store on a full disk', asRoot, () => {
  it('says so while a fetch writes, and keeps every image that it has', async () => {
    using tmpfs = new SmallTmpfs('size=256k');
    const store = ImageStore.open(tmpfs.dataDir);
    await putImage(store, A, 'localhost/a:1');
    const fillStore = async (): Promise<void> => {
      for (let at = 0; at < 100; at += 1) {
        await putImage(store, imageOf('base', `filling ${at}`), `localhost/filling:${at}`);
      }
    };
    await assert.rejects(fillStore(), engineError('STORE_UNUSABLE', /no space is left/));
    assert.deepEqual(problemsOf(tmpfs.dataDir), []);
    assert.ok(store.readReferences().length > 1);
  });

  it('removes an image when not one block is free', async () => {
    using tmpfs = new SmallTmpfs('size=256k');
    const store = ImageStore.open(tmpfs.dataDir);
    await putImage(store, A, 'localhost/a:1');
    await putImage(store, imageOf('base', 'b'), 'localhost/b:1');
    fillUp(tmpfs.mountPoint);
    const isA = ({ reference }: { reference?: string }): boolean => reference === 'localhost/a:1';
    const { records } = await removeImages(store, isA, NOT_IN_USE);
    assert.equal(records.length, 1);
    assert.deepEqual(
      store.readReferences().map(({ reference }) => reference),
      ['localhost/b:1'],
    );
    assert.deepEqual(problemsOf(tmpfs.dataDir), []);
  });

  it('collects garbage when not one block is free', async () => {
    using tmpfs = new SmallTmpfs('size=256k');
    const store = ImageStore.open(tmpfs.dataDir);
    await putImage(store, A, 'localhost/x:1');
    await putImage(store, imageOf('base', 'b'), 'localhost/x:1');
    const spare = putSmallBlob(tmpfs.dataDir, Buffer.from('spare'));
    fillUp(tmpfs.mountPoint);
    await collect(store, NOT_IN_USE);
    assert.ok(!filesBelow(tmpfs.dataDir).some((name) => name.endsWith(spare.slice(7))));
    await collect(store, NOT_IN_USE);
    assert.equal(store.readReferences().length, 1);
    assert.deepEqual(problemsOf(tmpfs.dataDir), []);
  });

  it('says so when there is no room for a store, and is finished when there is', () => {
    using tmpfs = new SmallTmpfs('size=64k');
    fillUp(tmpfs.mountPoint);
    const open = (): ImageStore => ImageStore.open(tmpfs.dataDir);
    assert.throws(open, engineError('STORE_UNUSABLE', /no space is left/));
    unlinkSync(join(tmpfs.mountPoint, 'filler'));
    assert.deepEqual(open().readReferences(), []);
  });
});

describe('a store on a read-only file system', asRoot, () => {
  it('can be read and not be changed', async () => {
    using tmpfs = new SmallTmpfs('size=1m');
    await putImage(ImageStore.open(tmpfs.dataDir), A, 'localhost/a:1');
    tmpfs.remount('ro');
    const store = ImageStore.open(tmpfs.dataDir);
    assert.equal(store.readReferences().length, 1);
    assert.equal(readSummary(tmpfs.dataDir, A.imageId).imageId, A.imageId);
    touchLastUsed(tmpfs.dataDir, A.imageId);
    const isReadOnly = engineError('STORE_UNUSABLE', /read-only/);
    assert.throws(() => tryAcquireShared(tmpfs.dataDir), isReadOnly);
    assert.throws(() => Lease.open(tmpfs.dataDir), isReadOnly);
    assert.throws(() => putSmallBlob(tmpfs.dataDir, Buffer.from('x')), isReadOnly);
    await assert.rejects(store.removeReference('localhost/a:1'), isReadOnly);
    await assert.rejects(putImage(store, imageOf('b')), isReadOnly);
    await assert.rejects(collect(store, NOT_IN_USE), isReadOnly);
    await assert.rejects(
      removeImages(store, () => true, NOT_IN_USE),
      isReadOnly,
    );
    assert.deepEqual(problemsOf(tmpfs.dataDir), []);
  });

  it('cannot be made there', () => {
    using tmpfs = new SmallTmpfs('size=1m');
    tmpfs.remount('ro');
    const open = (): ImageStore => ImageStore.open(tmpfs.dataDir);
    assert.throws(open, engineError('STORE_UNUSABLE', /read-only/));
  });
});

describe('a store on other file systems', asRoot, () => {
  it('lives on ext4, beside lost+found', async () => {
    using loop = LoopExt4.create({ sizeMiB: 32 });
    const dataDir = join(loop.mountPoint, 'store');
    const store = ImageStore.open(dataDir);
    await putImage(store, A, 'localhost/a:1');
    assert.deepEqual(problemsOf(dataDir), []);
    await removeImages(store, () => true, NOT_IN_USE);
    assert.deepEqual(readdirSync(join(dataDir, 'blobs', 'sha256')), []);
  });

  it('may be the root of a fresh file system', async () => {
    using loop = LoopExt4.create({ sizeMiB: 32 });
    const store = ImageStore.open(loop.mountPoint);
    await putImage(store, A, 'localhost/a:1');
    assert.deepEqual(problemsOf(loop.mountPoint), []);
  });

  it('lives on an overlay', async () => {
    using tmpfs = new SmallTmpfs('size=4m');
    const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => {
      const path = join(tmpfs.mountPoint, name);
      mkdirSync(path);
      return path;
    });
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    execFileSync('mount', ['-t', 'overlay', '-o', layers, 'overlay', String(merged)]);
    try {
      const store = ImageStore.open(join(String(merged), 'store'));
      await putImage(store, A, 'localhost/a:1');
      await putImage(store, imageOf('b'), 'localhost/a:1');
      await collect(store, NOT_IN_USE);
      assert.deepEqual(problemsOf(store.dataDir), []);
      assert.equal(store.readReferences().length, 1);
    } finally {
      execFileSync('umount', [String(merged)]);
    }
  });
});
