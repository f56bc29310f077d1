import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { type Digest, type DigestAlgorithm, digestOf } from '../../../src/core/oci/digest.ts';
import {
  blobSize,
  hasBlob,
  listBlobs,
  openBlob,
  putSmallBlob,
  readSmallBlob,
  removeBlob,
} from '../../../src/core/store/blob-store.ts';
import { blobPath } from '../../../src/core/store/store-paths.ts';
import { engineError } from '../../support/engine-errors.ts';
import { TempStore } from './store-fixture.ts';

const BYTES = Buffer.from('{"a":1}');
const DIGEST = digestOf(BYTES);

async function readAll(dataDir: string, digest: Digest): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of openBlob(dataDir, digest)) chunks.push(chunk);
  return chunks;
}

function putBytes(dataDir: string, digest: Digest, bytes: Buffer): void {
  mkdirSync(dirname(blobPath(dataDir, digest)), { recursive: true });
  writeFileSync(blobPath(dataDir, digest), bytes);
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

describe('putSmallBlob', () => {
  const algorithms: readonly DigestAlgorithm[] = ['sha256', 'sha512'];
  for (const algorithm of algorithms) {
    it(`stores bytes under their ${algorithm} digest, once`, () => {
      using temp = new TempStore();
      temp.open();
      const digest = putSmallBlob(temp.dataDir, BYTES, algorithm);
      assert.equal(digest, digestOf(BYTES, algorithm));
      assert.equal(putSmallBlob(temp.dataDir, BYTES, algorithm), digest);
      assert.deepEqual(readSmallBlob(temp.dataDir, digest, 100), BYTES);
      assert.deepEqual(listBlobs(temp.dataDir), [digest]);
      assert.deepEqual(readdirSync(`${temp.dataDir}/ingest`), []);
    });
  }

  for (const damage of ['', 'x', '{"a":2}', 'longer than it was']) {
    it(`replaces a blob that has become ${JSON.stringify(damage)}`, () => {
      using temp = new TempStore();
      temp.open();
      putBytes(temp.dataDir, DIGEST, Buffer.from(damage));
      putSmallBlob(temp.dataDir, BYTES);
      assert.deepEqual(readSmallBlob(temp.dataDir, DIGEST, 100), BYTES);
    });
  }
});

describe('readSmallBlob', () => {
  it('says which blob is missing', () => {
    using temp = new TempStore();
    temp.open();
    const read = (): Buffer => readSmallBlob(temp.dataDir, DIGEST, 100);
    assert.throws(read, engineError('STORE_CORRUPT', new RegExp(`${DIGEST} is missing`)));
  });

  it('says what a blob has become', () => {
    using temp = new TempStore();
    temp.open();
    const changed = Buffer.from('{"a":2}');
    putBytes(temp.dataDir, DIGEST, changed);
    const read = (): Buffer => readSmallBlob(temp.dataDir, DIGEST, 100);
    assert.throws(read, engineError('STORE_CORRUPT', new RegExp(digestOf(changed))));
  });

  it('reads no more than it may', () => {
    using temp = new TempStore();
    temp.open();
    const big = Buffer.alloc(300 * 1024, 7);
    const digest = putSmallBlob(temp.dataDir, big);
    assert.deepEqual(readSmallBlob(temp.dataDir, digest, big.length), big);
    const read = (): Buffer => readSmallBlob(temp.dataDir, digest, big.length - 1);
    assert.throws(read, engineError('STORE_CORRUPT', /longer than/));
  });
});

describe('openBlob', () => {
  it('gives large blobs in pieces of 1 MiB that it does not use again', async () => {
    using temp = new TempStore();
    temp.open();
    const bytes = Buffer.alloc(2 * 1024 * 1024 + 5, 'abcdefg');
    putBytes(temp.dataDir, digestOf(bytes), bytes);
    const chunks = await readAll(temp.dataDir, digestOf(bytes));
    assert.deepEqual(
      chunks.map(({ length }) => length),
      [1024 * 1024, 1024 * 1024, 5],
    );
    assert.ok(Buffer.concat(chunks).equals(bytes));
  });

  it('gives nothing of an empty blob, and fails for a missing one', async () => {
    using temp = new TempStore();
    temp.open();
    const empty = putSmallBlob(temp.dataDir, Buffer.alloc(0));
    assert.deepEqual(await readAll(temp.dataDir, empty), []);
    await assert.rejects(readAll(temp.dataDir, DIGEST), engineError('STORE_CORRUPT', /is missing/));
  });

  it('closes the file when its reader stops in the middle', async () => {
    using temp = new TempStore();
    temp.open();
    const digest = putSmallBlob(temp.dataDir, Buffer.alloc(3 * 1024 * 1024));
    const before = openDescriptors();
    for await (const _chunk of openBlob(temp.dataDir, digest)) break;
    assert.equal(openDescriptors(), before);
  });
});

describe('hasBlob, listBlobs, removeBlob', () => {
  it('know a blob by its file', () => {
    using temp = new TempStore();
    temp.open();
    putSmallBlob(temp.dataDir, BYTES);
    assert.equal(blobSize(temp.dataDir, DIGEST), BYTES.length);
    truncateSync(blobPath(temp.dataDir, DIGEST), 2);
    assert.equal(blobSize(temp.dataDir, DIGEST), 2);
    assert.equal(removeBlob(temp.dataDir, DIGEST), true);
    assert.equal(removeBlob(temp.dataDir, DIGEST), false);
    assert.equal(hasBlob(temp.dataDir, DIGEST), false);
  });

  it('leave out what has no name of a blob', () => {
    using temp = new TempStore();
    temp.open();
    putSmallBlob(temp.dataDir, BYTES);
    for (const name of ['junk', '.tmp', 'A'.repeat(64), 'a'.repeat(63)]) {
      writeFileSync(`${temp.dataDir}/blobs/sha256/${name}`, '');
    }
    mkdirSync(`${temp.dataDir}/blobs/md5`);
    writeFileSync(`${temp.dataDir}/blobs/md5/${'a'.repeat(32)}`, '');
    writeFileSync(`${temp.dataDir}/blobs/file`, '');
    assert.deepEqual(listBlobs(temp.dataDir), [DIGEST]);
  });

  it('do not take a directory for a blob', () => {
    using temp = new TempStore();
    temp.open();
    mkdirSync(blobPath(temp.dataDir, DIGEST));
    assert.equal(hasBlob(temp.dataDir, DIGEST), false);
    assert.ok(existsSync(blobPath(temp.dataDir, DIGEST)));
  });
});
