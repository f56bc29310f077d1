import assert from 'node:assert/strict';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { chainIdOf } from '../../../src/core/oci/digest.ts';
import {
  hasRootfsDirectory,
  hasRootfsImage,
  putRootfsImage,
  RootfsIngest,
} from '../../../src/core/store/rootfs-store.ts';
import { rootfsDirectoryPath, rootfsImagePath } from '../../../src/core/store/store-paths.ts';
import { TempStore } from './store-fixture.ts';

const CHAIN_ID = chainIdOf([]);

describe('putRootfsImage', () => {
  it('stores an image that only its owner can read, and replaces a damaged one', () => {
    using temp = new TempStore();
    temp.open();
    assert.equal(hasRootfsImage(temp.dataDir, CHAIN_ID), false);
    putRootfsImage(temp.dataDir, CHAIN_ID, Buffer.from('image'));
    assert.ok(hasRootfsImage(temp.dataDir, CHAIN_ID));
    const path = rootfsImagePath(temp.dataDir, CHAIN_ID);
    assert.equal(statSync(path).mode & 0o777, 0o400);
    truncateSync(path);
    assert.equal(hasRootfsImage(temp.dataDir, CHAIN_ID), false);
    putRootfsImage(temp.dataDir, CHAIN_ID, Buffer.from('image'));
    assert.equal(readFileSync(path, 'utf8'), 'image');
  });
});

describe('RootfsIngest', () => {
  it('gives the tree its name when it is committed', async () => {
    using temp = new TempStore();
    temp.open();
    {
      using ingest = await RootfsIngest.begin(temp.dataDir, CHAIN_ID);
      writeFileSync(join(ingest.directory, 'file'), 'x');
      assert.equal(hasRootfsDirectory(temp.dataDir, CHAIN_ID), false);
      ingest.commit();
    }
    assert.ok(hasRootfsDirectory(temp.dataDir, CHAIN_ID));
    assert.deepEqual(readdirSync(rootfsDirectoryPath(temp.dataDir, CHAIN_ID)), ['file']);
    assert.deepEqual(readdirSync(join(temp.dataDir, 'ingest')), []);
  });

  it('removes the tree that is not committed, also that of a process that was killed', async () => {
    using temp = new TempStore();
    temp.open();
    {
      using ingest = await RootfsIngest.begin(temp.dataDir, CHAIN_ID);
      mkdirSync(join(ingest.directory, 'dir'));
      mkdirSync(`${ingest.directory}/dir/more`);
    }
    assert.deepEqual(readdirSync(join(temp.dataDir, 'ingest')), []);
    const left = `rootfs-${CHAIN_ID.replace(':', '-')}.dir`;
    mkdirSync(join(temp.dataDir, 'ingest', left, 'half'), { recursive: true });
    using ingest = await RootfsIngest.begin(temp.dataDir, CHAIN_ID);
    assert.deepEqual(readdirSync(ingest.directory), []);
  });

  it('keeps the tree that is there already', async () => {
    using temp = new TempStore();
    temp.open();
    const path = rootfsDirectoryPath(temp.dataDir, CHAIN_ID);
    using ingest = await RootfsIngest.begin(temp.dataDir, CHAIN_ID);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'first'), '');
    writeFileSync(join(ingest.directory, 'second'), '');
    ingest.commit();
    assert.deepEqual(readdirSync(path), ['first']);
    assert.deepEqual(readdirSync(join(temp.dataDir, 'ingest')), []);
  });

  it('makes the second wait until the first is ready', async () => {
    using temp = new TempStore();
    temp.open();
    const first = await RootfsIngest.begin(temp.dataDir, CHAIN_ID);
    using second = await RootfsIngest.begin(temp.dataDir, CHAIN_ID, {
      onWait: () => {
        writeFileSync(join(first.directory, 'first'), '');
        first.commit();
      },
    });
    assert.ok(hasRootfsDirectory(temp.dataDir, CHAIN_ID));
    assert.deepEqual(readdirSync(second.directory), []);
  });
});
