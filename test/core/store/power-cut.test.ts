/**
 * Power cuts, as ext4 can play them: after the ioctl EXT4_IOC_SHUTDOWN nothing that is not on disk
 * gets there, neither data nor journal. Then the file system is mounted again.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { removeImages } from '../../../src/core/store/collect.ts';
import { ImageStore } from '../../../src/core/store/image-store.ts';
import { LoopExt4 } from '../../support/loop-ext4.ts';
import { cachingEnvironment } from './child-cache.ts';
import { liveShortly } from './crash-scenario.ts';
import { imageOf, NOT_IN_USE, problemsOf, putImage } from './store-fixture.ts';

const SCENARIO = join(import.meta.dirname, 'crash-scenario.ts');
const SHUTDOWN = `
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 2))
`;
const env = cachingEnvironment();

/**
 * Loses all that is not on disk. A copy of the disk is mounted: the mount namespace of some other
 * process may keep the first one mounted, and then mounting it again would give that.
 */
function cutPower({ mountPoint }: LoopExt4): void {
  const image = join(dirname(mountPoint), 'image');
  execFileSync('python3', ['-c', SHUTDOWN, mountPoint]);
  execFileSync('cp', ['--sparse=always', image, `${image}-${cuts}`]);
  execFileSync('umount', [mountPoint]);
  execFileSync('mount', ['-o', 'loop', `${image}-${cuts}`, mountPoint]);
  cuts += 1;
}

let cuts = 0;

function skipReason(): string | false {
  if (process.geteuid?.() !== 0) return 'only root can mount';
  const hasPython = spawnSync('python3', ['--version']).status === 0;
  const hasStrace = spawnSync('strace', ['-V']).status === 0;
  return hasPython && hasStrace ? false : 'python3 or strace is not installed';
}

describe('a power cut', { skip: skipReason() }, () => {
  it('loses nothing of an image whose reference was put', async () => {
    using loop = LoopExt4.create({ sizeMiB: 32 });
    const store = ImageStore.open(join(loop.mountPoint, 'store'));
    await putImage(store, imageOf('a', 'b'), 'localhost/a:1');
    cutPower(loop);
    assert.deepEqual(problemsOf(store.dataDir), []);
    assert.equal(store.readReferences().length, 1);
  });

  it('does not bring back an image that was removed', async () => {
    using loop = LoopExt4.create({ sizeMiB: 32 });
    const store = ImageStore.open(join(loop.mountPoint, 'store'));
    await putImage(store, imageOf('a', 'b'), 'localhost/a:1');
    await removeImages(store, () => true, NOT_IN_USE);
    cutPower(loop);
    assert.deepEqual(problemsOf(store.dataDir), []);
    assert.deepEqual(store.readReferences(), []);
  });

  // 1, 2 … are the making of the store; the last ones a removal.
  for (const when of [14, 29]) {
    it(`at rename ${when} leaves a store that keeps its promises`, async () => {
      using loop = LoopExt4.create({ sizeMiB: 32 });
      const dataDir = join(loop.mountPoint, 'store');
      const { status } = spawnSync(
        'strace',
        [
          ...['-f', '-qq', '-o', '/dev/null'],
          ...['-e', 'trace=rename', '-e', `inject=rename:signal=KILL:when=${when}`],
          ...[process.execPath, '--disable-warning=ExperimentalWarning', SCENARIO, dataDir],
        ],
        { env },
      );
      assert.notEqual(status, 0, 'it was killed');
      cutPower(loop);
      assert.deepEqual(problemsOf(dataDir), []);
      await liveShortly(dataDir);
      assert.deepEqual(problemsOf(dataDir), []);
    });
  }
});
