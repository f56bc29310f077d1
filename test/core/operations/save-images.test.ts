import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { collectGarbage } from '../../../src/core/operations/collect-garbage.ts';
import { loadImages } from '../../../src/core/operations/load-images.ts';
import { saveImages } from '../../../src/core/operations/save-images.ts';
import { savedBytes, storeImages } from '../../support/archive-files.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage } from '../../support/image-builder.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { tempEngine } from '../../support/temp-engine.ts';

const tree = tarOf([{ name: 'hello', content: 'hello\n' }]);
const other = tarOf([{ name: 'other', content: 'other\n' }]);
const image = buildImage({ layers: [tree] });
const second = buildImage({ layers: [tree, other] });
const A = 'docker.io/library/a:1';
const B = 'reg.lan/b:2';
const images = { [A]: image, [B]: second };

/** The members of an archive, through GNU tar. */
function unpacked(directory: string, archive: Buffer): Map<string, string> {
  rmSync(directory, { recursive: true, force: true });
  execFileSync('mkdir', [directory]);
  execFileSync('tar', ['-xf', '-', '-C', directory], { input: archive });
  const listing = execFileSync('find', ['.', '-type', 'f', '-printf', '%P %s %T@\n'], {
    cwd: directory,
    encoding: 'utf8',
  });
  return new Map(
    listing
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );
}

function json(directory: string, name: string) {
  return JSON.parse(execFileSync('cat', [join(directory, name)], { encoding: 'utf8' }));
}

describe('saving images', () => {
  it('writes each blob once, as the store has it, and no time', async () => {
    using temp = tempEngine();
    await storeImages(temp.engine, join(temp.directory, 'layout'), images);
    const out = join(temp.directory, 'out');
    const blobs = new Map([...image.blobs, ...second.blobs]);
    const members = unpacked(out, await savedBytes(temp.engine, [A, B]));
    const names = [...blobs.keys()].map((digest) => `blobs/${digest.replace(':', '/')}`);
    const documents = ['oci-layout', 'index.json', 'manifest.json'];
    assert.deepEqual([...members.keys()].sort(), [...names, ...documents].sort());
    for (const [digest, bytes] of blobs) {
      const member = members.get(`blobs/${digest.replace(':', '/')}`);
      assert.match(member ?? '', new RegExp(`^${bytes.length} 0\\.`));
    }
  });

  for (const [format, documents] of [
    ['oci-archive', ['index.json', 'oci-layout']],
    ['docker-archive', ['manifest.json']],
  ] as const) {
    it(`writes only what belongs to the format: ${format}`, async () => {
      using temp = tempEngine();
      await storeImages(temp.engine, join(temp.directory, 'layout'), images);
      const out = join(temp.directory, 'out');
      const members = unpacked(out, await savedBytes(temp.engine, [A], format));
      assert.deepEqual(
        [...members.keys()].filter((name) => !name.startsWith('blobs/')).sort(),
        documents,
      );
      const isThere = members.has(`blobs/${image.manifest.descriptor.digest.replace(':', '/')}`);
      assert.equal(isThere, format === 'oci-archive');
    });
  }

  it('gives the same bytes for the same images', async () => {
    const archives: Buffer[] = [];
    for (const order of [images, { [B]: second, [A]: image }]) {
      using temp = tempEngine();
      await storeImages(temp.engine, join(temp.directory, 'layout'), order);
      archives.push(await savedBytes(temp.engine, [A, B]));
    }
    assert.ok(archives[0] !== undefined && archives[1]?.equals(archives[0]));
  });

  it('names images as they were asked for: by reference one name, by id all, by digest none', async () => {
    using temp = tempEngine();
    const digest = image.manifest.descriptor.digest;
    await storeImages(temp.engine, join(temp.directory, 'layout'), { [A]: image, 'a:2': image });
    const [record] = temp.engine.store.readReferences();
    assert.ok(record);
    const pinned = `docker.io/library/a@${digest}`;
    await temp.engine.store.putReference({ ...record, reference: pinned });
    const out = join(temp.directory, 'out');
    const rows: [inputs: string[], names: string[]][] = [
      [[A], [A]],
      [
        ['a:2', 'a:1', 'a:2'],
        ['docker.io/library/a:2', A],
      ],
      [[image.imageId], [A, 'docker.io/library/a:2']],
      [[pinned], []],
    ];
    for (const [inputs, names] of rows) {
      unpacked(out, await savedBytes(temp.engine, inputs));
      const [entry, ...others] = json(out, 'manifest.json');
      assert.deepEqual([entry.RepoTags, others], [names, []]);
      const { manifests } = json(out, 'index.json');
      const key = 'io.containerd.image.name';
      type Entry = { digest: string; annotations?: Record<string, string> };
      const found = manifests.map(({ annotations }: Entry) => annotations?.[key]);
      assert.deepEqual(found, names.length === 0 ? [undefined] : names);
      assert.ok(manifests.every((each: Entry) => each.digest === digest));
    }
  });

  it('comes back as it went, manifests and all', async () => {
    using temp = tempEngine();
    using target = tempEngine();
    await storeImages(temp.engine, join(temp.directory, 'layout'), images);
    const file = join(temp.directory, 'x.tar');
    for (const format of ['combined', 'oci-archive'] as const) {
      writeFileSync(file, await savedBytes(temp.engine, [A, B], format));
      await loadImages(target.engine, { path: file });
      assert.deepEqual(
        target.engine.store
          .readReferences()
          .map(({ reference, manifest }) => [reference, manifest.digest]),
        Object.entries(images).map(([name, built]) => [name, built.manifest.descriptor.digest]),
      );
    }
  });

  it('keeps its images from a collection that runs meanwhile', async () => {
    using temp = tempEngine();
    await storeImages(temp.engine, join(temp.directory, 'layout'), images);
    const chunks: Buffer[] = [];
    for await (const bytes of saveImages(temp.engine, [B])) {
      if (chunks.length === 0) {
        await temp.engine.store.removeReference(B);
        await collectGarbage(temp.engine);
      }
      chunks.push(bytes);
    }
    const members = unpacked(join(temp.directory, 'out'), Buffer.concat(chunks));
    assert.equal(members.size, second.blobs.size + 3);
    await collectGarbage(temp.engine);
    assert.deepEqual(readdirSync(join(temp.engine.settings.dataDir, 'ingest')), []);
  });

  const damages: { name: string; damage: (path: string) => void; message: RegExp }[] = [
    { name: 'is missing', damage: (path) => rmSync(path), message: /is missing in the store/ },
    {
      name: 'is too long',
      damage: (path) => appendFileSync(path, 'x'),
      message: /has \d+ bytes in the store/,
    },
    {
      name: 'has other bytes',
      damage: (path) => writeFileSync(path, Buffer.alloc(image.layers[0]?.bytes.length ?? 0, 1)),
      message: /does not have the digest/,
    },
  ];
  for (const { name, damage, message } of damages) {
    it(`fails when a blob ${name}`, async () => {
      using temp = tempEngine();
      await storeImages(temp.engine, join(temp.directory, 'layout'), { [A]: image });
      const layer = image.layers[0]?.descriptor.digest.replace(':', '/');
      await savedBytes(temp.engine, [A]);
      damage(join(temp.engine.settings.dataDir, 'blobs', layer ?? ''));
      await assert.rejects(savedBytes(temp.engine, [A]), engineError('STORE_CORRUPT', message));
    });
  }

  it('gives no byte when one of its images is not there', async () => {
    using temp = tempEngine();
    await storeImages(temp.engine, join(temp.directory, 'layout'), { [A]: image });
    const archive = saveImages(temp.engine, [A, 'nosuch']);
    await assert.rejects(archive.next(), engineError('IMAGE_NOT_FOUND', /nosuch/));
  });
});
