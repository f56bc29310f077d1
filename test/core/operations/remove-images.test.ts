import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ContainerStore } from '../../../src/core/container/container-store.ts';
import { chainIdOf, hexOf } from '../../../src/core/oci/digest.ts';
import { collectGarbage } from '../../../src/core/operations/collect-garbage.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { listImages } from '../../../src/core/operations/list-images.ts';
import { removeImages } from '../../../src/core/operations/remove-images.ts';
import { buildImage } from '../../support/image-builder.ts';
import { writeLayout } from '../../support/layout-writer.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';

const base = tarOf([{ name: 'base', content: 'base' }]);
const first = buildImage({ layers: [base, tarOf([{ name: 'one', content: '1' }])] });
const second = buildImage({ layers: [base, tarOf([{ name: 'two', content: '2' }])] });

async function withImages(
  ...names: readonly ('first' | 'second' | 'again')[]
): Promise<TempEngine> {
  const temp = tempEngine();
  for (const name of names) {
    const built = name === 'second' ? second : first;
    const layout = writeLayout(join(temp.directory, name), [
      { image: built, refName: `${name}:1` },
    ]);
    await fetchImage(temp.engine, `oci:${layout}`, { pullPolicy: 'update' });
  }
  return temp;
}

function contentFiles(temp: TempEngine): string[] {
  return temp.files().filter((file) => /^(blobs|layers|rootfs|images|ingest)\//.test(file));
}

describe('removeImages', () => {
  it('frees all that nothing else needs, and keeps the layer that two images share', async () => {
    using both = await withImages('first', 'second');
    using alone = await withImages('second');
    const { removed, failures } = await removeImages(both.engine, ['first:1']);
    assert.deepEqual(failures, []);
    assert.deepEqual(removed, [
      {
        imageId: first.imageId,
        references: ['docker.io/library/first:1'],
        isStillNamed: false,
      },
    ]);
    assert.deepEqual(contentFiles(both), contentFiles(alone));
    await removeImages(both.engine, ['second:1']);
    assert.deepEqual(contentFiles(both), []);
  });

  it('removes once what is meant by name, by id and by prefix', async () => {
    using temp = await withImages('first');
    const hex = hexOf(first.imageId);
    const inputs = ['first:1', `sha256-${hex}`, hex.slice(0, 12), `sha256:${hex}`];
    const { removed, failures } = await removeImages(temp.engine, inputs);
    assert.equal(removed.length, 1);
    assert.deepEqual(failures, []);
    assert.deepEqual(listImages(temp.engine), []);
  });

  it('takes one name of an image that has two, and all of them by its id', async () => {
    using temp = await withImages('first', 'again');
    const byName = await removeImages(temp.engine, ['first:1']);
    assert.equal(byName.removed[0]?.isStillNamed, true);
    assert.equal(listImages(temp.engine).length, 1);
    const byId = await removeImages(temp.engine, [hexOf(first.imageId)]);
    assert.equal(byId.removed[0]?.isStillNamed, false);
    assert.deepEqual(contentFiles(temp), []);
  });

  it('removes the others when one input names nothing', async () => {
    using temp = await withImages('first');
    const { removed, failures } = await removeImages(temp.engine, ['nothing:1', 'first:1']);
    assert.equal(removed.length, 1);
    assert.deepEqual(
      failures.map(({ input, error }) => [input, error.code]),
      [['nothing:1', 'IMAGE_NOT_FOUND']],
    );
  });

  it('keeps what a container that is kept could be started from again', async () => {
    using temp = await withImages('first');
    const { dataDir } = temp.engine.settings;
    const content = {
      imageId: first.imageId,
      chainId: chainIdOf(first.diffIds),
      diffIds: first.diffIds,
    };
    const command = ['true'];
    const kept = ContainerStore.create(dataDir, { ...content, command, removeOnExit: false });
    kept.recordExit({ status: 0, finishedAt: new Date() });
    kept[Symbol.dispose]();
    using live = ContainerStore.create(dataDir, { ...content, command, removeOnExit: true });
    await removeImages(temp.engine, ['first:1']);
    await collectGarbage(temp.engine);
    const layers = contentFiles(temp).filter((file) => file.startsWith('layers/'));
    assert.equal(layers.length, 4, 'index and data of both layers');
    ContainerStore.claim(dataDir, kept.id)?.remove();
    live.remove();
    await collectGarbage(temp.engine);
    assert.deepEqual(contentFiles(temp), []);
  });
});

describe('collectGarbage', () => {
  it('removes an image whose name moved to another one, and nothing that is named', async () => {
    using temp = await withImages('first');
    using expected = await withImages('second');
    const layout = writeLayout(join(temp.directory, 'moved'), [
      { image: second, refName: 'first:1' },
    ]);
    await fetchImage(temp.engine, `oci:${layout}`, { pullPolicy: 'update' });
    assert.equal(listImages(temp.engine).length, 2);
    const { freedBytes } = await collectGarbage(temp.engine);
    assert.ok(freedBytes > 0);
    assert.deepEqual(
      listImages(temp.engine).map(({ imageId }) => imageId),
      [second.imageId],
    );
    assert.deepEqual(contentFiles(temp), contentFiles(expected));
  });
});
