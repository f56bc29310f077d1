import assert from 'node:assert/strict';
import { readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { digestOf } from '../../../src/core/oci/digest.ts';
import type { ImageRecord } from '../../../src/core/store/image-store.ts';
import { layoutIndexFile } from '../../../src/core/store/store-paths.ts';
import { engineError } from '../../support/engine-errors.ts';
import { imageOf, recordOf, TempStore } from './store-fixture.ts';

const ONE = imageOf('one');
const TWO = imageOf('two');
const NAME = 'localhost/app:latest';

interface RawIndex {
  manifests: Record<string, unknown>[];
  [field: string]: unknown;
}

function readRaw(dataDir: string): RawIndex {
  return JSON.parse(readFileSync(layoutIndexFile(dataDir), 'utf8'));
}

function writeRaw(dataDir: string, entries: readonly unknown[]): void {
  writeFileSync(layoutIndexFile(dataDir), JSON.stringify({ schemaVersion: 2, manifests: entries }));
}

function names(records: readonly ImageRecord[]): (string | undefined)[] {
  return records.map(({ reference }) => reference);
}

describe('putReference', () => {
  it('gives back what was put', async () => {
    using temp = new TempStore();
    const record: ImageRecord = {
      ...recordOf(ONE, NAME),
      resolvedDigest: digestOf('an index'),
      platform: { os: 'linux', architecture: 'arm', variant: 'v7', 'os.version': '1' },
      verified: [
        { digest: digestOf('an index'), key: digestOf('a key'), identity: 'localhost/app:1' },
        { digest: digestOf('an index'), key: digestOf('a key') },
      ],
      isFromFile: true,
    };
    await temp.open().putReference(record);
    assert.deepEqual(temp.open().readReferences(), [record]);
  });

  it('takes a damaged note of a verified signature for none', async () => {
    using temp = new TempStore();
    await temp.open().putReference(recordOf(ONE, NAME));
    const [entry] = readRaw(temp.dataDir).manifests;
    const good = { digest: digestOf('x'), key: digestOf('k') };
    for (const [verified, expected] of [
      [JSON.stringify([good]), [good]],
      [JSON.stringify([{ ...good, key: 'k' }, good]), [good]],
      [JSON.stringify([{ ...good, identity: 1 }]), undefined],
      [JSON.stringify(good), undefined],
      ['[', undefined],
    ] as const) {
      const annotations = { ...(entry?.annotations as object), 'dev.dray.verified': verified };
      writeRaw(temp.dataDir, [{ ...entry, annotations }]);
      assert.deepEqual(temp.open().readReferences()[0]?.verified, expected);
    }
  });

  it('keeps the image that a name leaves, without a name', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await store.putReference(recordOf(ONE, NAME));
    await store.putReference(recordOf(TWO, NAME));
    assert.deepEqual(store.readReferences(), [
      { ...recordOf(ONE), formerReference: NAME },
      recordOf(TWO, NAME),
    ]);
  });

  it('does not list an image without a name that has another name', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await store.putReference(recordOf(ONE, NAME));
    await store.putReference(recordOf(ONE, 'localhost/app:1'));
    await store.putReference(recordOf(TWO, NAME));
    assert.deepEqual(names(store.readReferences()), ['localhost/app:1', NAME]);
  });

  it('lists an image once that leaves a name and comes back to it', async () => {
    using temp = new TempStore();
    const store = temp.open();
    for (const image of [ONE, TWO, ONE]) await store.putReference(recordOf(image, NAME));
    assert.deepEqual(store.readReferences(), [
      { ...recordOf(TWO), formerReference: NAME },
      recordOf(ONE, NAME),
    ]);
  });

  it('changes nothing when the same is put again', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await store.putReference(recordOf(ONE, NAME));
    await store.putReference(recordOf(ONE, NAME));
    await store.putReference(recordOf(ONE));
    assert.deepEqual(store.readReferences(), [recordOf(ONE, NAME)]);
  });

  it('lets no annotation of the manifest stand for one of ours', async () => {
    using temp = new TempStore();
    const annotations = {
      'org.opencontainers.image.ref.name': 'docker.io/library/victim:latest',
      'dev.dray.image-id': TWO.imageId,
    };
    const record = recordOf(ONE, NAME);
    await temp.open().putReference({ ...record, manifest: { ...record.manifest, annotations } });
    assert.deepEqual(temp.open().readReferences(), [record]);
  });

  for (const reference of ['../../x', 'a\nb', '__proto__', 'x'.repeat(1024 * 1024)]) {
    it(`keeps the reference ${JSON.stringify(reference).slice(0, 20)} as plain data`, async () => {
      using temp = new TempStore();
      await temp.open().putReference(recordOf(ONE, reference));
      assert.deepEqual(names(temp.open().readReferences()), [reference]);
      assert.equal(await temp.open().removeReference(reference), true);
      assert.deepEqual(temp.open().readReferences(), []);
    });
  }
});

describe('putReference beside a damaged entry', () => {
  it('replaces the one that had its reference, and keeps the others', async () => {
    using temp = new TempStore();
    const entryFor = (name: string) => ({
      digest: 'sha256:X',
      annotations: { 'org.opencontainers.image.ref.name': name },
    });
    const store = temp.open();
    writeRaw(temp.dataDir, [entryFor(NAME), entryFor('localhost/other:1')]);
    await store.putReference(recordOf(ONE, NAME));
    const left = store.readDamagedEntries();
    assert.deepEqual(
      left.map(({ reference }) => reference),
      ['localhost/other:1'],
    );
  });
});

describe('removeReference', () => {
  it('takes one name and leaves the others', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await store.putReference(recordOf(ONE, NAME));
    await store.putReference(recordOf(ONE, 'localhost/app:1'));
    assert.equal(await store.removeReference(NAME), true);
    assert.equal(await store.removeReference(NAME), false);
    assert.deepEqual(names(store.readReferences()), ['localhost/app:1']);
  });

  it('takes a damaged entry, too', async () => {
    using temp = new TempStore();
    const store = temp.open();
    const annotations = { 'org.opencontainers.image.ref.name': NAME };
    writeRaw(temp.dataDir, [{ digest: 'sha256:../../x', annotations }]);
    assert.equal(await store.removeReference(NAME), true);
    assert.deepEqual(readRaw(temp.dataDir).manifests, []);
  });
});

describe('updateReferences', () => {
  it('writes nothing when nothing changes', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await store.putReference(recordOf(ONE, NAME));
    const before = statSync(layoutIndexFile(temp.dataDir)).ino;
    await store.updateReferences((records) => records);
    assert.equal(statSync(layoutIndexFile(temp.dataDir)).ino, before);
  });

  it('leaves the references as they were when the change throws', async () => {
    using temp = new TempStore();
    const store = temp.open();
    await store.putReference(recordOf(ONE, NAME));
    const failing = store.updateReferences(() => {
      throw new Error('no');
    });
    await assert.rejects(failing, /^Error: no$/);
    await store.putReference(recordOf(TWO, 'localhost/b:1'));
    assert.equal(store.readReferences().length, 2);
  });
});

describe('readReferences', () => {
  const whole = {
    ...ONE.manifest.descriptor,
    annotations: { 'dev.dray.image-id': ONE.imageId, 'org.opencontainers.image.ref.name': NAME },
  };

  const damaged: readonly (readonly [what: string, entry: unknown])[] = [
    ['a digest in upper case', { ...whole, digest: `sha256:${'A'.repeat(64)}` }],
    ['a digest that is a path', { ...whole, digest: 'sha256:../../../etc/passwd' }],
    ['no digest', { mediaType: 'x', size: 1 }],
    ['a size with a fraction', { ...whole, size: 1.5 }],
    ['a negative size', { ...whole, size: -1 }],
    ['a size as text', { ...whole, size: '7' }],
    ['a media type that is no text', { ...whole, mediaType: 7 }],
    ['an image id that is a path', { ...whole, annotations: { 'dev.dray.image-id': '../x' } }],
    ['annotations that are a list', { ...whole, annotations: [] }],
    ['null', null],
    ['a number', 42],
    ['a list', []],
  ];
  for (const [what, entry] of damaged) {
    it(`lists the others beside an entry with ${what}`, () => {
      using temp = new TempStore();
      const store = temp.open();
      writeRaw(temp.dataDir, [entry, whole]);
      const problems: string[] = [];
      const records = store.readReferences(({ problem }) => problems.push(problem));
      assert.deepEqual(names(records), [NAME]);
      assert.equal(problems.length, 1);
    });
  }

  it('keeps entries of other tools, with fields that it does not know', async () => {
    using temp = new TempStore();
    const store = temp.open();
    const foreign = { ...TWO.manifest.descriptor, artifactType: 'x/y', data: 'AA==', more: [1] };
    writeRaw(temp.dataDir, [foreign]);
    await store.putReference(recordOf(ONE, NAME));
    assert.deepEqual(readRaw(temp.dataDir).manifests[1], foreign);
    assert.deepEqual(store.readDamagedEntries(), []);
    assert.deepEqual(store.readForeignManifests(), [TWO.manifest.descriptor.digest]);
  });

  it('takes what is wrong in a field that only describes as absent', () => {
    using temp = new TempStore();
    const store = temp.open();
    const annotations = {
      ...whole.annotations,
      'dev.dray.imported-at': 'yesterday',
      'dev.dray.resolved-digest': 'md5:1',
    };
    writeRaw(temp.dataDir, [{ ...whole, annotations, platform: { os: 1 } }]);
    assert.deepEqual(store.readReferences(), [
      {
        reference: NAME,
        manifest: ONE.manifest.descriptor,
        imageId: ONE.imageId,
        importedAt: '1970-01-01T00:00:00.000Z',
      },
    ]);
  });

  for (const text of ['', '{', '[]', 'null', '{"manifests":{}}', '\0\0\0\0']) {
    it(`says that an index.json of ${JSON.stringify(text)} is no index, and replaces nothing`, async () => {
      using temp = new TempStore();
      const store = temp.open();
      writeFileSync(layoutIndexFile(temp.dataDir), text);
      assert.throws(() => store.readReferences(), engineError('STORE_CORRUPT', /index\.json/));
      await assert.rejects(store.putReference(recordOf(ONE)), engineError('STORE_CORRUPT'));
      assert.equal(readFileSync(layoutIndexFile(temp.dataDir), 'utf8'), text);
    });
  }

  it('does not take a store that has lost its index.json for an empty one', async () => {
    using temp = new TempStore();
    const store = temp.open();
    unlinkSync(layoutIndexFile(temp.dataDir));
    assert.throws(() => store.readReferences(), engineError('STORE_CORRUPT', /is missing/));
    await assert.rejects(store.putReference(recordOf(ONE)), engineError('STORE_CORRUPT'));
  });
});
