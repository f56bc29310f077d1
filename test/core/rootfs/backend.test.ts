import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import { BACKEND_NAMES, chooseBackend } from '../../../src/core/rootfs/backend.ts';
import { LoopExt4 } from '../../support/loop-ext4.ts';
import { type TarEntrySpec, tarOf } from '../../support/tar-builder.ts';
import { planMount, storeImage } from './support/layered-image.ts';
import { snapshot } from './support/snapshot.ts';
import { Viewer } from './support/viewer.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root: mounts file systems';

const ENTRIES: readonly TarEntrySpec[] = [
  { name: './', type: 'directory', mode: 0o751, uid: 5, gid: 6, mtime: 77 },
  { name: 'dev/', type: 'directory' },
  { name: 'dev/zero', type: 'character-device', major: 1, minor: 5, mode: 0o666 },
  { name: 'etc/', type: 'directory' },
  ...['changed', 'removed', 'renamed', 'chmodded'].map((name) => ({
    name: `etc/${name}`,
    content: 'before',
  })),
  { name: 'tree/', type: 'directory' },
  { name: 'tree/leaf', content: 'leaf' },
];

describe('mountRootfs', { skip }, () => {
  let disk: LoopExt4;
  let viewer: Viewer;
  before(() => {
    disk = LoopExt4.create();
    viewer = new Viewer();
  });
  after(async () => {
    await viewer[Symbol.asyncDispose]();
    disk[Symbol.dispose]();
  });
  const freshDirectory = (): string => mkdtempSync(join(disk.mountPoint, 'mount-'));

  for (const backend of BACKEND_NAMES) {
    it(`shows a container its changes through ${backend} and leaves the image as it is`, async () => {
      const directory = freshDirectory();
      const files = await storeImage(directory, [tarOf(ENTRIES)]);
      const fresh = snapshot(files.directory);
      const digests = [files.imageFile, ...files.dataFiles].map(digestOfFile);
      const plan = planMount(directory, backend, files);
      const lines = await viewer.view({ plan, action: 'change' });
      assert.match(lines['etc/changed'] ?? '', /^file 644 0:0 5 bytes /);
      assert.match(lines['etc/chmodded'] ?? '', /^file 600 /);
      assert.match(lines['etc/renamed-to'] ?? '', /^file /);
      assert.match(lines.tree ?? '', /^file /);
      assert.equal(lines['etc/removed'] ?? lines['etc/renamed'] ?? lines['tree/leaf'], undefined);
      assert.deepEqual([files.imageFile, ...files.dataFiles].map(digestOfFile), digests);
      assert.deepEqual(snapshot(files.directory), fresh);
    });

    it(`gives the root of the image to the container's root through ${backend}, once`, async () => {
      const directory = freshDirectory();
      const files = await storeImage(directory, [tarOf(ENTRIES)]);
      const plan = { ...planMount(directory, backend, files), volatile: false };
      const seen = await viewer.view({ plan, action: 'look' });
      assert.equal(seen['.'], 'directory 751 5:6 mtime 77000000000');
      await viewer.view({ plan, action: 'change' });
      const again = await viewer.view({ plan, action: 'look' });
      assert.match(again['.'] ?? '', /^directory 705 5:6 /);
      assert.match(again['from-zero'] ?? '', /^file /);
    });
  }

  for (const backend of ['erofs', 'erofs-loop'] as const) {
    it(`mounts nothing through ${backend} when one of two data files is left out`, async () => {
      const directory = freshDirectory();
      const files = await storeImage(directory, [
        tarOf(ENTRIES),
        tarOf([{ name: 'x', content: 'x' }]),
      ]);
      const dataFiles = files.dataFiles.slice(1);
      const plan = planMount(directory, backend, { ...files, dataFiles });
      const { error, leftMounts } = await viewer.fail({ plan, action: 'look' });
      assert.match(error, /EINVAL/);
      assert.deepEqual(leftMounts, []);
    });

    it(`reads nothing rather than metadata through ${backend} without any data file`, async () => {
      const directory = freshDirectory();
      const files = await storeImage(directory, [tarOf(ENTRIES)]);
      const plan = planMount(directory, backend, { ...files, dataFiles: [] });
      const { error, leftMounts } = await viewer.fail({ plan, action: 'look' });
      assert.match(error, /^Error: EIO: i\/o error, read/);
      assert.deepEqual(leftMounts, []);
    });

    it(`mounts nothing through ${backend} when there can be no overlay`, async () => {
      const directory = freshDirectory();
      const files = await storeImage(directory, [tarOf(ENTRIES)]);
      const plan = planMount(directory, backend, files);
      const broken = { ...plan, upperDir: join(directory, 'missing') };
      const { error, leftMounts } = await viewer.fail({ plan: broken, action: 'look' });
      assert.match(error, /ENOENT/);
      assert.deepEqual(leftMounts, []);
      assert.ok(await viewer.view({ plan, action: 'look' }));
    });
  }
});

describe('chooseBackend', { skip }, () => {
  it('takes files where the kernel mounts them, and what it is forced to', () => {
    using disk = LoopExt4.create({ sizeMiB: 64 });
    const before = readdirSync(disk.mountPoint);
    assert.equal(chooseBackend(disk.mountPoint).name, 'erofs');
    for (const forced of BACKEND_NAMES) {
      assert.equal(chooseBackend(disk.mountPoint, forced).name, forced);
    }
    assert.deepEqual(readdirSync(disk.mountPoint), before);
  });

  it('takes loop devices on tmpfs, which cannot back a mount, and says why', () => {
    const directory = mkdtempSync('/dev/shm/dray-backend-');
    try {
      const choice = chooseBackend(directory);
      assert.equal(choice.name, 'erofs-loop');
      assert.match(choice.reason, /loop devices here; erofs does not work here: .*ENOTBLK/);
      assert.throws(
        () => chooseBackend(directory, 'erofs'),
        (error: unknown) =>
          error instanceof EngineError &&
          error.code === 'ROOTFS_UNAVAILABLE' &&
          /^the root file system back-end erofs does not work here: /.test(error.message),
      );
      assert.deepEqual(readdirSync(directory), []);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('refuses a store where no overlay can have its upper directory', () => {
    const store = join('/proc', 'self');
    assert.throws(
      () => chooseBackend(store),
      (error: unknown) =>
        error instanceof EngineError &&
        error.code === 'ROOTFS_UNAVAILABLE' &&
        error.hint !== undefined &&
        error.message.startsWith('the store "/proc/self" cannot hold the writable layer'),
    );
  });
});

function digestOfFile(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
