import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FIELDS } from '../../../src/cli/image-fields.ts';
import { chainIdOf, type DiffId } from '../../../src/core/oci/digest.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { listImages } from '../../../src/core/operations/list-images.ts';
import {
  blobPath,
  imageSummaryPath,
  layerDataPath,
  rootfsImagePath,
} from '../../../src/core/store/store-paths.ts';
import { buildImage } from '../../support/image-builder.ts';
import { writeLayout } from '../../support/layout-writer.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';

const layers = [tarOf([{ name: 'hello', content: 'hello' }])];
const image = buildImage({ layers });

async function fetched(...images: readonly (typeof image)[]): Promise<TempEngine> {
  const temp = tempEngine();
  for (const [at, each] of images.entries()) {
    const layout = writeLayout(join(temp.directory, `layout${at}`), [
      { image: each, refName: `app:${at}` },
    ]);
    await fetchImage(temp.engine, `oci:${layout}`, { pullPolicy: 'update' });
  }
  return temp;
}

describe('listImages', () => {
  it('calls a whole image whole', async () => {
    using temp = await fetched(image);
    const [listed] = listImages(temp.engine);
    assert.equal(listed?.isDamaged, false);
  });

  it('calls two manifests with one config whole', async () => {
    const other = buildImage({ layers, compression: 'none' });
    assert.equal(other.imageId, image.imageId);
    assert.notEqual(other.manifest.descriptor.digest, image.manifest.descriptor.digest);
    using temp = await fetched(image, other);
    assert.deepEqual(
      listImages(temp.engine).map(({ isDamaged }) => isDamaged),
      [false, false],
    );
  });

  const layer = image.layers[0]?.descriptor.digest ?? image.imageId;
  const rows: readonly (readonly [string, (dataDir: string) => string])[] = [
    ['a layer blob', (dir) => blobPath(dir, layer)],
    ['the manifest', (dir) => blobPath(dir, image.manifest.descriptor.digest)],
    ['the config', (dir) => blobPath(dir, image.imageId)],
    ['a layer data file', (dir) => layerDataPath(dir, image.diffIds[0] as DiffId)],
    ['the root file system', (dir) => rootfsImagePath(dir, chainIdOf(image.diffIds))],
    ['the summary', (dir) => imageSummaryPath(dir, image.imageId)],
  ];
  for (const [what, pathIn] of rows) {
    it(`calls an image damaged without ${what}, also where its name is shown`, async () => {
      using temp = await fetched(image);
      rmSync(pathIn(temp.engine.settings.dataDir));
      const [listed] = listImages(temp.engine);
      assert.ok(listed);
      assert.equal(listed.isDamaged, true);
      const cell = FIELDS.name.cell(listed, { isFull: false, now: new Date() });
      assert.match(cell, /app:0 \(damaged\)$/);
    });
  }
});
