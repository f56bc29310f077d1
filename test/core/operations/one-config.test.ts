/** Two manifests with one config: one image id, with layers that are compressed differently. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { inspectImage } from '../../../src/core/operations/inspect-image.ts';
import { listImages } from '../../../src/core/operations/list-images.ts';
import { verifyImages } from '../../../src/core/operations/verify-images.ts';
import { type BuiltImage, buildImage } from '../../support/image-builder.ts';
import { writeLayout } from '../../support/layout-writer.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';

const tree = tarOf([{ name: 'zeros', content: Buffer.alloc(100_000) }]);
const plain = buildImage({ layers: [tree], compression: 'none' });
const gzip = buildImage({ layers: [tree], compression: 'gzip' });
const images = { 'docker.io/library/gzip:1': gzip, 'docker.io/library/plain:1': plain };

const sizeOf = ({ blobs }: BuiltImage) =>
  [...blobs.values()].reduce((total, { length }) => total + length, 0);

/** Fetches both, in this order. */
async function fetched(temp: TempEngine, names = Object.keys(images)): Promise<boolean[]> {
  const directory = join(temp.directory, 'layout');
  writeLayout(
    directory,
    Object.entries(images).map(([refName, image]) => ({ refName, image })),
  );
  const changes: boolean[] = [];
  for (const name of names) {
    const source = `oci:${directory}:${name}`;
    changes.push((await fetchImage(temp.engine, source, { pullPolicy: 'update' })).changed);
  }
  return changes;
}

describe('two manifests with one config', () => {
  it('are one image', () => {
    assert.equal(plain.imageId, gzip.imageId);
    assert.notEqual(sizeOf(plain), sizeOf(gzip));
  });

  it('each have the size and the manifest that are theirs', async () => {
    using temp = tempEngine();
    await fetched(temp);
    const listed = listImages(temp.engine).map(({ reference, sizeBytes }) => [
      reference,
      sizeBytes,
    ]);
    assert.deepEqual(
      listed,
      Object.entries(images).map(([name, image]) => [name, sizeOf(image)]),
    );
    for (const [name, image] of Object.entries(images)) {
      const { sizeBytes, manifest, manifestDigest } = inspectImage(temp.engine, name);
      assert.equal(sizeBytes, sizeOf(image));
      assert.equal(manifestDigest, image.manifest.descriptor.digest);
      assert.deepEqual(manifest, JSON.parse(image.manifest.bytes.toString()));
    }
  });

  it('are both complete once they were fetched', async () => {
    using temp = tempEngine();
    assert.deepEqual(await fetched(temp), [true, true]);
    const names = Object.keys(images);
    assert.deepEqual(await fetched(temp, [...names, ...names.toReversed()]), Array(4).fill(false));
    const problems = (await verifyImages(temp.engine, [], {})).flatMap((each) => each.problems);
    assert.deepEqual(problems, []);
  });

  for (const [name, image] of Object.entries(images)) {
    it(`are damaged each for itself: ${name}`, async () => {
      using temp = tempEngine();
      await fetched(temp);
      const layer = image.layers[0]?.descriptor.digest.replace(':', '/') ?? '';
      rmSync(join(temp.engine.settings.dataDir, 'blobs', layer));
      const damaged = listImages(temp.engine).filter(({ isDamaged }) => isDamaged);
      assert.deepEqual(
        damaged.map(({ reference }) => reference),
        [name],
      );
      assert.deepEqual(
        await fetched(temp),
        Object.keys(images).map((each) => each === name),
      );
      assert.ok(listImages(temp.engine).every(({ isDamaged }) => !isDamaged));
    });
  }
});
