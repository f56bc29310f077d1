import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { EngineError, type ErrorCode } from '../../../src/core/errors.ts';
import { hexOf } from '../../../src/core/oci/digest.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { listImages } from '../../../src/core/operations/list-images.ts';
import { verifyImages } from '../../../src/core/operations/verify-images.ts';
import { blobPath } from '../../../src/core/store/store-paths.ts';
import { type BuiltImage, buildImage, buildIndex } from '../../support/image-builder.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { TestRegistry } from '../../support/test-registry.ts';

const tree = tarOf([{ name: 'hello', content: 'hello\n' }]);
const other = tarOf([{ name: 'other', content: 'other\n' }]);
const image = buildImage({ layers: [tree, other] });
const update = { pullPolicy: 'update' } as const;

async function assertClean(temp: TempEngine): Promise<void> {
  const results = await verifyImages(temp.engine, []);
  assert.deepEqual(
    results.flatMap(({ problems }) => problems),
    [],
  );
}

function blobRequests(registry: TestRegistry): number {
  return registry.requestsFor('/blobs/').length;
}

describe('fetch from a registry', () => {
  const recipes = [
    { name: 'OCI, gzip', recipe: { compression: 'gzip', mediaTypes: 'oci' } },
    { name: 'OCI, zstd', recipe: { compression: 'zstd', mediaTypes: 'oci' } },
    { name: 'OCI, plain', recipe: { compression: 'none', mediaTypes: 'oci' } },
    { name: 'docker, gzip', recipe: { compression: 'gzip', mediaTypes: 'docker' } },
  ] as const;
  for (const { name, recipe } of recipes) {
    it(`stores every blob byte for byte: ${name}`, async () => {
      await using registry = await TestRegistry.start();
      using temp = tempEngine();
      const built = buildImage({ ...recipe, layers: [tree, other] });
      const reference = registry.addImage('app', 'v1', built);
      const fetched = await fetchImage(temp.engine, reference, update);
      assert.deepEqual(fetched, { imageId: built.imageId, reference, changed: true });
      for (const [digest, bytes] of built.blobs) {
        assert.deepEqual(readFileSync(blobPath(temp.engine.settings.dataDir, digest)), bytes);
      }
      await assertClean(temp);
    });
  }

  it('asks once, with HEAD, when nothing has changed', async () => {
    await using registry = await TestRegistry.start();
    using temp = tempEngine();
    const reference = registry.addImage('app', 'v1', image);
    await fetchImage(temp.engine, reference, update);
    const before = registry.requests.length;
    const again = await fetchImage(temp.engine, reference, update);
    assert.equal(again.changed, false);
    const requests = registry.requests.slice(before);
    assert.deepEqual(
      requests.map(({ method, path }) => `${method} ${path}`),
      ['HEAD /v2/app/manifests/v1'],
    );
  });

  it('asks nothing for a digest that is here', async () => {
    await using registry = await TestRegistry.start();
    using temp = tempEngine();
    registry.addImage('app', 'v1', image);
    const reference = `${registry.host}/app@${image.manifest.descriptor.digest}`;
    await fetchImage(temp.engine, reference, update);
    const before = registry.requests.length;
    assert.equal((await fetchImage(temp.engine, reference, update)).changed, false);
    assert.equal(registry.requests.length, before);
  });

  it('leaves the old image nameless when its tag moves, and transfers only what is new', async () => {
    await using registry = await TestRegistry.start();
    using temp = tempEngine();
    const reference = registry.addImage('app', 'v1', image);
    await fetchImage(temp.engine, reference, update);
    const next = buildImage({ layers: [tree, tarOf([{ name: 'new', content: 'new' }])] });
    registry.addImage('app', 'v1', next);
    const before = blobRequests(registry);
    const fetched = await fetchImage(temp.engine, reference, update);
    assert.equal(fetched.imageId, next.imageId);
    assert.equal(blobRequests(registry) - before, 2, 'the config and the one new layer');
    const names = new Map(listImages(temp.engine).map((each) => [each.imageId, each.reference]));
    assert.deepEqual(
      [...names],
      [
        [image.imageId, undefined],
        [next.imageId, reference],
      ],
    );
    await assertClean(temp);
  });

  it('does not look at the registry with "new" when the image is here, nor ever with "never"', async () => {
    await using registry = await TestRegistry.start();
    using temp = tempEngine();
    const reference = registry.addImage('app', 'v1', image);
    await assert.rejects(fetchImage(temp.engine, reference, { pullPolicy: 'never' }), {
      code: 'IMAGE_NOT_FOUND',
    });
    assert.equal(registry.requests.length, 0);
    await fetchImage(temp.engine, reference, { pullPolicy: 'new' });
    const before = registry.requests.length;
    await fetchImage(temp.engine, reference, { pullPolicy: 'new' });
    await fetchImage(temp.engine, reference, { pullPolicy: 'never' });
    assert.equal(registry.requests.length, before);
  });

  it('picks the platform from an index, and a later fetch of it costs one HEAD', async () => {
    await using registry = await TestRegistry.start();
    using temp = tempEngine();
    const arm = buildImage({ layers: [other], platform: { os: 'linux', architecture: 'arm64' } });
    const amd = buildImage({ layers: [tree], platform: { os: 'linux', architecture: 'amd64' } });
    const reference = registry.addIndex('multi', 'v1', buildIndex([arm, amd]));
    const platform = { os: 'linux', architecture: 'arm64' };
    const fetched = await fetchImage(temp.engine, reference, { ...update, platform });
    assert.equal(fetched.imageId, arm.imageId);
    const before = registry.requests.length;
    assert.equal(
      (await fetchImage(temp.engine, reference, { ...update, platform })).changed,
      false,
    );
    assert.equal(registry.requests.length, before + 1);
  });

  it('transfers a layer that is listed twice once, and applies it twice', async () => {
    await using registry = await TestRegistry.start();
    using temp = tempEngine();
    const twice = buildImage({ layers: [tree, other, tree] });
    const reference = registry.addImage('app', 'v1', twice);
    await fetchImage(temp.engine, reference, update);
    assert.equal(blobRequests(registry), 3, 'the config and two layers');
    await assertClean(temp);
  });

  it('transfers a layer once more when its bytes were spoiled on the way', async () => {
    const digest = image.layers[0]?.descriptor.digest ?? image.imageId;
    await using registry = await TestRegistry.start({
      fault: ({ path }, count) =>
        path.endsWith(digest) && count === 1 ? { flipByteAt: 20 } : undefined,
    });
    using temp = tempEngine();
    const reference = registry.addImage('app', 'v1', image);
    await fetchImage(temp.engine, reference, update);
    assert.equal(registry.requestsFor(digest).length, 2);
    await assertClean(temp);
  });

  it('goes on from the bytes that a killed fetch left, and starts over if they are wrong', async () => {
    const content = randomBytes(100_000);
    const large = buildImage({ layers: [tarOf([{ name: 'large', content }])] });
    const layer = large.layers[0];
    assert.ok(layer);
    for (const kept of [layer.bytes.subarray(0, 50_000), Buffer.alloc(50_000, 'x')]) {
      await using registry = await TestRegistry.start();
      using temp = tempEngine();
      const reference = registry.addImage('app', 'v1', large);
      const { dataDir } = temp.engine.settings;
      const partial = join(dataDir, 'ingest', `sha256-${hexOf(layer.descriptor.digest)}.blob`);
      mkdirSync(join(dataDir, 'ingest'), { recursive: true });
      writeFileSync(partial, kept);
      await fetchImage(temp.engine, reference, update);
      const ranges: unknown[] = registry
        .requestsFor(layer.descriptor.digest)
        .map(({ headers }) => headers.range);
      const isGood = layer.bytes.subarray(0, 50_000).equals(kept);
      assert.deepEqual(ranges, isGood ? ['bytes=50000-'] : ['bytes=50000-', undefined]);
      await assertClean(temp);
    }
  });

  it('does not believe a manifest that a local blob holds a local diffID', async () => {
    await using registry = await TestRegistry.start();
    using temp = tempEngine();
    await fetchImage(temp.engine, registry.addImage('app', 'v1', image), update);
    const [first, second] = image.layers;
    assert.ok(first !== undefined && second !== undefined);
    const swapped = buildImage({
      layers: [tree, other],
      manifestFields: { layers: [second.descriptor, first.descriptor] },
    });
    const reference = registry.addImage('evil', 'v1', swapped);
    await assert.rejects(fetchImage(temp.engine, reference, update), { code: 'DIGEST_MISMATCH' });
    assert.equal(listImages(temp.engine).length, 1);
  });
});

describe('fetch of what is not right', () => {
  const spoiled = (built: BuiltImage): Buffer => {
    const bytes = Buffer.from(built.layers[0]?.bytes ?? []);
    bytes.writeUInt8(bytes.readUInt8(20) ^ 0xff, 20);
    return bytes;
  };
  const firstLayer = () => image.layers[0]?.descriptor.digest ?? image.imageId;
  const rows: {
    name: string;
    code: ErrorCode;
    message: RegExp;
    prepare: (registry: TestRegistry) => string;
  }[] = [
    {
      name: 'a layer with other bytes',
      code: 'DIGEST_MISMATCH',
      message: /layer 1\/2 sha256:/,
      prepare: (registry) => {
        const reference = registry.addImage('app', 'v1', image);
        registry.addBlobAs(firstLayer(), spoiled(image));
        return reference;
      },
    },
    {
      name: 'a layer that is longer than its descriptor says',
      code: 'SIZE_MISMATCH',
      message: /layer 1\/2|blob/,
      prepare: (registry) => {
        const reference = registry.addImage('app', 'v1', image);
        const bytes = image.layers[0]?.bytes ?? Buffer.alloc(0);
        registry.addBlobAs(firstLayer(), Buffer.concat([bytes, Buffer.from('more')]));
        return reference;
      },
    },
    {
      name: 'a diffID that is not what the layer inflates to',
      code: 'DIGEST_MISMATCH',
      message: /expected the diffID "sha256:/,
      prepare: (registry) =>
        registry.addImage(
          'app',
          'v1',
          buildImage({
            layers: [tree],
            configFields: { rootfs: { type: 'layers', diff_ids: [image.diffIds[1]] } },
          }),
        ),
    },
    {
      name: 'fewer diffIDs than layers',
      code: 'IMAGE_INVALID',
      message: /layers/,
      prepare: (registry) =>
        registry.addImage(
          'app',
          'v1',
          buildImage({
            layers: [tree, other],
            configFields: { rootfs: { type: 'layers', diff_ids: [image.diffIds[0]] } },
          }),
        ),
    },
    {
      name: 'an index without our platform',
      code: 'PLATFORM_NOT_FOUND',
      message: /linux\/s390x/,
      prepare: (registry) =>
        registry.addIndex(
          'app',
          'v1',
          buildIndex([
            buildImage({ layers: [tree], platform: { os: 'linux', architecture: 's390x' } }),
          ]),
        ),
    },
    {
      name: 'a tag that the registry does not have',
      code: 'REGISTRY_NOT_FOUND',
      message: /app:v9/,
      prepare: (registry) => `${registry.host}/app:v9`,
    },
    {
      name: 'a layer whose entries climb out of the root',
      code: 'LAYER_ENTRY_REJECTED',
      message: /layer 1\/1 sha256:.*\.\.\/\.\.\/escape/,
      prepare: (registry) =>
        registry.addImage(
          'app',
          'v1',
          buildImage({ layers: [tarOf([{ name: 'a/../../../escape', content: 'x' }])] }),
        ),
    },
  ];
  for (const { name, code, message, prepare } of rows) {
    it(`refuses ${name}, and the store is as it was`, async () => {
      await using registry = await TestRegistry.start();
      using temp = tempEngine();
      const good = registry.addImage('good', 'v1', buildImage({ layers: [other] }));
      await fetchImage(temp.engine, good, update);
      const before = temp.files();
      await assert.rejects(fetchImage(temp.engine, prepare(registry), update), (error) => {
        assert.ok(error instanceof EngineError, String(error));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
      assert.equal(listImages(temp.engine).length, 1);
      const added = temp.files().filter((file) => !before.includes(file));
      assert.deepEqual(
        added.filter((file) => !/^(blobs|layers)\//.test(file)),
        [],
        'a layer that is right may stay until gc; nothing else may',
      );
      await assertClean(temp);
    });
  }

  it('goes round an index that leads to itself', async () => {
    await using registry = await TestRegistry.start();
    using temp = tempEngine();
    const index = 'application/vnd.oci.image.index.v1+json';
    const platform = { os: 'linux', architecture: 'amd64' };
    let inner = buildIndex([buildImage({ layers: [tree] })]).index;
    for (let depth = 0; depth < 8; depth += 1) {
      registry.addManifest('loop', inner.bytes, { mediaType: index, tag: 'v1' });
      const manifests = [{ ...inner.descriptor, platform }];
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: index, manifests }));
      const descriptor = registry.addManifest('loop', bytes, { mediaType: index, tag: 'v1' });
      inner = { bytes, descriptor };
    }
    await assert.rejects(fetchImage(temp.engine, `${registry.host}/loop:v1`, update), {
      code: 'IMAGE_INVALID',
    });
  });
});
