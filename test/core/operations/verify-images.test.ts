import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { chainIdOf, type DiffId, type Digest } from '../../../src/core/oci/digest.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { restoreImage } from '../../../src/core/operations/restore-image.ts';
import { verifyImages } from '../../../src/core/operations/verify-images.ts';
import { readSummary } from '../../../src/core/store/image-summary.ts';
import {
  blobPath,
  imageSummaryPath,
  layerDataPath,
  layerIndexPath,
  rootfsImagePath,
} from '../../../src/core/store/store-paths.ts';
import { buildImage } from '../../support/image-builder.ts';
import { writeLayout } from '../../support/layout-writer.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';

const image = buildImage({
  layers: [
    tarOf([{ name: 'hello', content: 'hello\n'.repeat(2000) }]),
    tarOf([{ name: 'other', content: 'other\n' }]),
  ],
});
const diffId = image.diffIds[0] as DiffId;
const chainId = chainIdOf(image.diffIds);

async function fetched(): Promise<TempEngine> {
  const temp = tempEngine();
  const layout = writeLayout(join(temp.directory, 'layout'), [{ image, refName: 'app:v1' }]);
  await fetchImage(temp.engine, `oci:${layout}`, { pullPolicy: 'update' });
  return temp;
}

async function problemsOf(temp: TempEngine) {
  const results = await verifyImages(temp.engine, []);
  return results.flatMap(({ problems }) => problems);
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
  rmSync(path);
  writeFileSync(path, bytes, { mode: 0o400 });
}

/** Makes a directory read-only until it is disposed, by a mount over itself. */
function mountedReadOnly(directory: string): Disposable {
  execFileSync('mount', ['--bind', directory, directory]);
  execFileSync('mount', ['-o', 'remount,bind,ro', directory]);
  return { [Symbol.dispose]: () => void execFileSync('umount', [directory]) };
}

const derived = [
  { name: 'a layer data file', path: (dir: string) => layerDataPath(dir, diffId) },
  { name: 'a layer index', path: (dir: string) => layerIndexPath(dir, diffId) },
  { name: 'the metadata image', path: (dir: string) => rootfsImagePath(dir, chainId) },
  { name: 'the summary', path: (dir: string) => imageSummaryPath(dir, image.imageId) },
];

describe('verifyImages', () => {
  it('finds nothing wrong with what has just been fetched', async () => {
    using temp = await fetched();
    assert.deepEqual(await problemsOf(temp), []);
  });

  it('works on a read-only file system, and says what it would have repaired', async () => {
    using temp = await fetched();
    const { dataDir } = temp.engine.settings;
    const [lost] = derived;
    rmSync(lost?.path(dataDir) ?? '');
    flip(blobPath(dataDir, image.layers[1]?.descriptor.digest as Digest));
    using _readOnly = mountedReadOnly(dataDir);
    const before = temp.files();
    const problems = await problemsOf(temp);
    assert.equal(problems.length, 2, JSON.stringify(problems));
    assert.partialDeepStrictEqual(problems, [
      { isRepaired: false, isReadOnly: true },
      { isRepaired: false },
    ]);
    assert.equal(problems[1]?.isReadOnly, undefined);
    assert.deepEqual(temp.files(), before);
  });

  it('finds nothing wrong on a read-only file system when nothing is', async () => {
    using temp = await fetched();
    using _readOnly = mountedReadOnly(temp.engine.settings.dataDir);
    assert.deepEqual(await problemsOf(temp), []);
  });

  for (const { name, path } of derived) {
    for (const damage of [
      { how: 'is missing', act: (file: string) => rmSync(file) },
      { how: 'has one bit flipped', act: flip },
      { how: 'is empty', act: (file: string) => writeFileSync(file, '') },
    ]) {
      it(`makes ${name} again that ${damage.how}, byte for byte`, async () => {
        using temp = await fetched();
        const file = path(temp.engine.settings.dataDir);
        const before = readFileSync(file);
        damage.act(file);
        const problems = await problemsOf(temp);
        assert.equal(problems.length, 1, JSON.stringify(problems));
        assert.equal(problems[0]?.isRepaired, true);
        assert.deepEqual(readFileSync(file), before);
        assert.deepEqual(await problemsOf(temp), []);
      });
    }
  }

  for (const [name, digest] of [
    ['a layer', image.layers[0]?.descriptor.digest ?? image.imageId],
    ['the manifest', image.manifest.descriptor.digest],
    ['the config', image.imageId],
  ] as const) {
    it(`reports a damaged blob, ${name}, and removes it so that a fetch brings it again`, async () => {
      using temp = await fetched();
      const file = blobPath(temp.engine.settings.dataDir, digest);
      flip(file);
      const [problem, ...others] = await problemsOf(temp);
      assert.deepEqual(others, []);
      assert.equal(problem?.isRepaired, false);
      assert.match(problem.what, new RegExp(digest));
      assert.equal(existsSync(file), false);
      const source = `oci:${join(temp.directory, 'layout')}`;
      await fetchImage(temp.engine, source, { pullPolicy: 'update' });
      assert.deepEqual(await problemsOf(temp), []);
    });
  }
});

describe('restoreImage', () => {
  it('makes all that is derived again, without the network', async () => {
    using temp = await fetched();
    const { dataDir } = temp.engine.settings;
    const summary = readSummary(dataDir, image.imageId);
    const before = temp.files();
    rmSync(join(dataDir, 'layers'), { recursive: true });
    rmSync(join(dataDir, 'rootfs'), { recursive: true });
    await restoreImage(dataDir, summary, {});
    assert.deepEqual(temp.files(), before);
    assert.deepEqual(await problemsOf(temp), []);
  });

  it('says which blob is missing when it cannot', async () => {
    using temp = await fetched();
    const { dataDir } = temp.engine.settings;
    const summary = readSummary(dataDir, image.imageId);
    const digest = image.layers[0]?.descriptor.digest ?? image.imageId;
    rmSync(blobPath(dataDir, digest));
    rmSync(join(dataDir, 'layers'), { recursive: true });
    await assert.rejects(restoreImage(dataDir, summary, {}), {
      code: 'STORE_CORRUPT',
      message: new RegExp(digest),
    });
  });
});
