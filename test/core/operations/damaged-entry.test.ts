import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { listImages } from '../../../src/core/operations/list-images.ts';
import { removeImages } from '../../../src/core/operations/remove-images.ts';
import { verifyImages } from '../../../src/core/operations/verify-images.ts';
import { layoutIndexFile } from '../../../src/core/store/store-paths.ts';
import { buildImage } from '../../support/image-builder.ts';
import { writeLayout } from '../../support/layout-writer.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';

const NAME = 'docker.io/library/app:v1';
const image = buildImage({ layers: [tarOf([{ name: 'hello', content: 'hello' }])] });

async function withDamagedEntry(): Promise<TempEngine> {
  const temp = tempEngine();
  const layout = writeLayout(join(temp.directory, 'layout'), [{ image, refName: 'app:v1' }]);
  await fetchImage(temp.engine, `oci:${layout}`, { pullPolicy: 'update' });
  const path = layoutIndexFile(temp.engine.settings.dataDir);
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace(/"digest":"[^"]*"/, '"digest":"sha256:X"'));
  return temp;
}

describe('a damaged entry of index.json', () => {
  it('is a warning when images are listed', async () => {
    using temp = await withDamagedEntry();
    assert.deepEqual(listImages(temp.engine, temp), []);
    const warnings = temp.events.flatMap((event) =>
      event.type === 'warning' ? event.message : [],
    );
    assert.equal(warnings.length, 1);
    assert.match(`${warnings}`, /"docker.io\/library\/app:v1".*damaged/);
  });

  for (const inputs of [[], ['app:v1'], [NAME]]) {
    it(`is a problem that verify does not repair, asked for ${JSON.stringify(inputs)}`, async () => {
      using temp = await withDamagedEntry();
      const [result, ...others] = await verifyImages(temp.engine, inputs);
      assert.deepEqual(others, []);
      assert.equal(result?.reference, NAME);
      assert.deepEqual(
        result.problems.map(({ isRepaired }) => isRepaired),
        [false],
      );
    });
  }

  it('is removed by its name', async () => {
    using temp = await withDamagedEntry();
    const { removed, failures, damagedNames } = await removeImages(temp.engine, ['app:v1']);
    assert.deepEqual([removed, failures, damagedNames], [[], [], [NAME]]);
    assert.deepEqual(temp.engine.store.readDamagedEntries(), []);
  });

  it('is mended by a fetch', async () => {
    using temp = await withDamagedEntry();
    const source = `oci:${join(temp.directory, 'layout')}`;
    await fetchImage(temp.engine, source, { pullPolicy: 'update' });
    assert.deepEqual(temp.engine.store.readDamagedEntries(), []);
    assert.equal(listImages(temp.engine).length, 1);
  });
});
