import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { chainIdOf, digestOf } from '../../../src/core/oci/digest.ts';
import { hasBlob, putSmallBlob } from '../../../src/core/store/blob-store.ts';
import { collect, removeImages } from '../../../src/core/store/collect.ts';
import type { ImageRecord } from '../../../src/core/store/image-store.ts';
import { LayerIngest } from '../../../src/core/store/ingest.ts';
import { Lease } from '../../../src/core/store/lease.ts';
import {
  blobPath,
  imageSummaryPath,
  layoutIndexFile,
  rootfsDirectoryPath,
} from '../../../src/core/store/store-paths.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildIndex } from '../../support/image-builder.ts';
import { Holder } from './holder.ts';
import {
  filesBelow,
  imageOf,
  NOT_IN_USE,
  problemsOf,
  putImage,
  TempStore,
} from './store-fixture.ts';

const A = imageOf('base', 'a');
const B = imageOf('base', 'b');

function isNamed(name: string): (record: ImageRecord) => boolean {
  return ({ reference }) => reference === name;
}

/** Makes the digest of the first entry one that nobody can read. */
function spoilDigest(path: string): void {
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace(/"digest":"[^"]*"/, '"digest":"sha256:X"'));
}

/** The files that a store has when it was filled like this and nothing else ever happened. */
async function filesOfStoreWith(...images: readonly (typeof A)[]): Promise<string[]> {
  using temp = new TempStore();
  const store = temp.open();
  for (const [at, image] of images.entries()) await putImage(store, image, `localhost/x:${at}`);
  return filesBelow(temp.dataDir);
}

describe('collect', () => {
  it('removes nothing that an image needs', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/a:1');
    await putImage(store, B, 'localhost/b:1');
    const before = filesBelow(temp.dataDir);
    assert.deepEqual(await collect(store, NOT_IN_USE), { removedFiles: 0, freedBytes: 0 });
    assert.deepEqual(filesBelow(temp.dataDir), before);
  });

  it('removes an image whose name has moved, but not what it shares', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/x:0');
    await putImage(store, B, 'localhost/x:0');
    const { removedFiles, freedBytes } = await collect(store, NOT_IN_USE);
    // Manifest, config, blob, data and index of one layer, root file system, summary.
    assert.equal(removedFiles, 7);
    assert.ok(freedBytes >= 7 * 4096);
    assert.deepEqual(filesBelow(temp.dataDir), await filesOfStoreWith(B));
    assert.equal(store.readReferences().length, 1);
  });

  it('keeps an image without a name while a container uses it', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/x:0');
    await putImage(store, B, 'localhost/x:0');
    await collect(store, { inUse: () => [A.imageId, chainIdOf(A.diffIds), ...A.diffIds] });
    assert.equal(store.readReferences().length, 2);
    assert.deepEqual(problemsOf(temp.dataDir), []);
  });

  it('keeps what a lease holds, until its holder is killed', async () => {
    using temp = new TempStore();
    const store = temp.open();
    const digest = putSmallBlob(temp.dataDir, Buffer.from('pinned'));
    const other = putSmallBlob(temp.dataDir, Buffer.from('not pinned'));
    {
      await using holder = await Holder.start('lease', temp.dataDir, digest);
      await collect(store, NOT_IN_USE);
      assert.ok(hasBlob(temp.dataDir, digest));
      assert.equal(hasBlob(temp.dataDir, other), false);
      await holder.kill();
    }
    await collect(store, NOT_IN_USE);
    assert.equal(hasBlob(temp.dataDir, digest), false);
    assert.deepEqual(readdirSync(join(temp.dataDir, 'ingest')), []);
  });

  it('keeps what is held after the lease was opened, and lets go of it with the lease', async () => {
    using temp = new TempStore();
    const store = temp.open();
    const digest = putSmallBlob(temp.dataDir, Buffer.from('pinned'));
    {
      using lease = Lease.open(temp.dataDir);
      await lease.hold([digestOf('something else')]);
      await lease.hold([digest]);
      await collect(store, NOT_IN_USE);
      assert.ok(hasBlob(temp.dataDir, digest));
    }
    await collect(store, NOT_IN_USE);
    assert.equal(hasBlob(temp.dataDir, digest), false);
  });

  it('removes what killed processes left unfinished, and nothing that is being written', async () => {
    using temp = new TempStore();
    const store = temp.open();
    const dead = await Holder.start('ingest', temp.dataDir, digestOf('dead'), 'bytes');
    await dead.kill();
    await using _live = await Holder.start('ingest', temp.dataDir, digestOf('live'), 'bytes');
    const litter = ['0123.tmp', 'x.lease', 'y.dir', 'rootfs-sha256-00.dir', 'odd'];
    for (const name of litter) {
      const path = join(temp.dataDir, 'ingest', name);
      if (name.endsWith('.dir')) mkdirSync(join(path, 'deep', 'er'), { recursive: true });
      else writeFileSync(path, '');
    }
    await collect(store, NOT_IN_USE);
    const left = readdirSync(join(temp.dataDir, 'ingest')).sort();
    const stem = digestOf('live').replace(':', '-');
    assert.deepEqual(left, [`${stem}.blob`, `${stem}.data`, `${stem}.lock`]);
  });

  it('waits until nobody is between a reference and what it means', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await using holder = await Holder.start('gc-lock', temp.dataDir);
    let waits = 0;
    await collect(store, {
      inUse: () => [],
      onWait: () => {
        waits += 1;
        void holder.kill();
      },
    });
    assert.equal(waits, 1);
  });

  it('removes nothing when the references cannot be read', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/a:1');
    writeFileSync(layoutIndexFile(temp.dataDir), '{');
    const before = filesBelow(temp.dataDir);
    await assert.rejects(collect(store, NOT_IN_USE), engineError('STORE_CORRUPT'));
    assert.deepEqual(filesBelow(temp.dataDir), before);
  });

  const losses: readonly (readonly [string, (path: string) => void, RegExp])[] = [
    ['index.json is missing', unlinkSync, /index\.json" is missing/],
    ['an entry is damaged', spoilDigest, /"localhost\/a:1".*damaged/],
  ];
  for (const [what, damage, message] of losses) {
    it(`removes nothing when ${what}`, async () => {
      using temp = new TempStore();
      const store = temp.open();
      await putImage(store, A, 'localhost/a:1');
      putSmallBlob(temp.dataDir, Buffer.from('garbage'));
      damage(layoutIndexFile(temp.dataDir));
      const before = filesBelow(temp.dataDir);
      await assert.rejects(collect(store, NOT_IN_USE), engineError('STORE_CORRUPT', message));
      assert.deepEqual(filesBelow(temp.dataDir), before);
    });
  }

  it('removes again when the damaged entry has been fetched again, or removed', async () => {
    using temp = new TempStore();
    const store = temp.open();
    for (const mend of [
      () => putImage(store, A, 'localhost/a:1'),
      () => store.removeReference('localhost/a:1'),
    ]) {
      await putImage(store, A, 'localhost/a:1');
      putSmallBlob(temp.dataDir, Buffer.from('garbage'));
      spoilDigest(layoutIndexFile(temp.dataDir));
      await mend();
      assert.notEqual((await collect(store, NOT_IN_USE)).removedFiles, 0);
    }
  });

  it('keeps what an entry of another tool needs, through an index', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A);
    const { index } = buildIndex([A]);
    putSmallBlob(temp.dataDir, index.bytes);
    const manifests = [index.descriptor];
    writeFileSync(layoutIndexFile(temp.dataDir), JSON.stringify({ schemaVersion: 2, manifests }));
    await collect(store, NOT_IN_USE);
    for (const digest of [index.descriptor.digest, ...A.blobs.keys()]) {
      assert.ok(hasBlob(temp.dataDir, digest), digest);
    }
  });

  it('removes materialised trees, whatever names are in them', async () => {
    using temp = new TempStore();
    const store = temp.open();
    const tree = rootfsDirectoryPath(temp.dataDir, chainIdOf(A.diffIds));
    mkdirSync(join(tree, 'bin'), { recursive: true });
    writeFileSync(Buffer.from(`${tree}/bin/n\x80\xff`, 'latin1'), '');
    assert.deepEqual(await collect(store, NOT_IN_USE), { removedFiles: 1, freedBytes: 0 });
    assert.equal(existsSync(tree), false);
    assert.deepEqual(readdirSync(join(temp.dataDir, 'ingest')), []);
  });

  const damages: readonly (readonly [string, (dataDir: string) => void, isKept: boolean])[] = [
    ['whose summary is gone', (dir) => unlinkSync(imageSummaryPath(dir, A.imageId)), true],
    ['whose summary is empty', (dir) => truncateSync(imageSummaryPath(dir, A.imageId), 0), true],
    [
      'whose manifest is gone',
      (dir) => unlinkSync(blobPath(dir, A.manifest.descriptor.digest)),
      true,
    ],
    [
      'whose manifest is cut',
      (dir) => truncateSync(blobPath(dir, A.manifest.descriptor.digest), 9),
      true,
    ],
    ['whose config is gone', (dir) => unlinkSync(blobPath(dir, A.imageId)), true],
    [
      'of which only layers are left',
      (dir) => {
        unlinkSync(blobPath(dir, A.manifest.descriptor.digest));
        unlinkSync(blobPath(dir, A.imageId));
        unlinkSync(imageSummaryPath(dir, A.imageId));
      },
      false,
    ],
  ];
  for (const [what, damage, isKept] of damages) {
    it(`works beside an image ${what}, and keeps ${isKept ? 'its layers' : 'the others'}`, async () => {
      using temp = new TempStore();
      const store = temp.open();
      await putImage(store, A, 'localhost/a:1');
      await putImage(store, imageOf('other'), 'localhost/b:1');
      damage(temp.dataDir);
      await collect(store, NOT_IN_USE);
      assert.equal(store.readReferences().length, 2);
      for (const layer of A.layers) {
        assert.equal(hasBlob(temp.dataDir, layer.descriptor.digest), isKept);
      }
      await putImage(store, A, 'localhost/a:1');
      assert.deepEqual(problemsOf(temp.dataDir), []);
    });
  }
});

describe('removeImages', () => {
  it('removes no content while a damaged entry is there, only the name', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/a:1');
    await putImage(store, B, 'localhost/b:1');
    spoilDigest(layoutIndexFile(temp.dataDir));
    const before = filesBelow(temp.dataDir);
    await removeImages(store, () => true, NOT_IN_USE);
    assert.deepEqual(store.readReferences(), []);
    assert.deepEqual(filesBelow(temp.dataDir), before);
  });

  it('removes the files of an image, but not what it shares with another', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/a:1');
    await putImage(store, B, 'localhost/b:1');
    const { records, removedFiles } = await removeImages(
      store,
      isNamed('localhost/a:1'),
      NOT_IN_USE,
    );
    assert.deepEqual(
      records.map(({ imageId }) => imageId),
      [A.imageId],
    );
    assert.equal(removedFiles, 7);
    assert.deepEqual(filesBelow(temp.dataDir), await filesOfStoreWith(B));
  });

  it('removes only a name of an image that has another', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/a:1');
    await putImage(store, A, 'localhost/a:2');
    const before = filesBelow(temp.dataDir);
    const removed = await removeImages(store, isNamed('localhost/a:1'), NOT_IN_USE);
    assert.equal(removed.removedFiles, 0);
    assert.deepEqual(filesBelow(temp.dataDir), before);
  });

  it('leaves an empty store behind when it removes all', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/a:1');
    await putImage(store, B, 'localhost/b:1');
    mkdirSync(rootfsDirectoryPath(temp.dataDir, chainIdOf(B.diffIds)));
    await removeImages(store, () => true, NOT_IN_USE);
    assert.deepEqual(filesBelow(temp.dataDir), await filesOfStoreWith());
  });

  it('keeps the files that a container uses', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/a:1');
    const inUse = [A.imageId, chainIdOf(A.diffIds), ...A.diffIds];
    await removeImages(store, () => true, { inUse: () => inUse });
    const kept = filesBelow(temp.dataDir).filter((name) => /^(layers|rootfs|images)/.test(name));
    assert.equal(kept.length, 2 * A.diffIds.length + 2);
    await collect(store, NOT_IN_USE);
    assert.deepEqual(filesBelow(temp.dataDir), await filesOfStoreWith());
  });

  it('keeps what a fetch that is under way has found in the store', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/a:1');
    {
      using lease = Lease.open(temp.dataDir);
      await lease.hold([...A.blobs.keys(), ...A.diffIds, chainIdOf(A.diffIds)]);
      await removeImages(store, () => true, NOT_IN_USE);
      await putImage(store, A, 'localhost/again:1');
    }
    assert.deepEqual(problemsOf(temp.dataDir), []);
  });

  it('does not touch the transfers of others that were interrupted', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/a:1');
    const holder = await Holder.start('ingest', temp.dataDir, digestOf('half'), 'bytes');
    await holder.kill();
    await removeImages(store, () => true, NOT_IN_USE);
    await using ingest = await LayerIngest.begin(temp.dataDir, digestOf('half'));
    assert.equal(ingest.keptBytes, 5);
  });

  it('removes an image of which nothing is left but the name', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await putImage(store, A, 'localhost/a:1');
    for (const name of ['blobs', 'layers', 'rootfs', 'images']) {
      rmSync(join(temp.dataDir, name), { recursive: true });
    }
    const { records } = await removeImages(store, isNamed('localhost/a:1'), NOT_IN_USE);
    assert.equal(records.length, 1);
    assert.deepEqual(store.readReferences(), []);
  });
});
