import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { type PushOptions, pushImage } from '../../../src/core/operations/push-image.ts';
import { tagImage } from '../../../src/core/operations/tag-image.ts';
import { collect } from '../../../src/core/store/collect.ts';
import { blobPath } from '../../../src/core/store/store-paths.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage, buildIndex } from '../../support/image-builder.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { TestRegistry } from '../../support/test-registry.ts';

const image = buildImage({
  layers: [
    tarOf([{ name: 'hello', content: 'hello\n' }]),
    tarOf([{ name: 'other', content: Buffer.alloc(300_000, 'o') }]),
  ],
});
const { descriptor } = image.manifest;
const update = { pullPolicy: 'update' } as const;

/** A store with the image as `HOST/app:v1`, and an empty registry to push it to. */
async function withImage(
  work: (context: {
    temp: TempEngine;
    source: TestRegistry;
    target: TestRegistry;
    reference: string;
    push: (destination?: string, options?: PushOptions) => ReturnType<typeof pushImage>;
  }) => Promise<void>,
): Promise<void> {
  await using source = await TestRegistry.start();
  await using target = await TestRegistry.start();
  using temp = tempEngine();
  const reference = source.addImage('app', 'v1', image);
  await fetchImage(temp.engine, reference, update);
  const { onProgress } = temp;
  await work({
    temp,
    source,
    target,
    reference,
    push: (destination, options = {}) =>
      pushImage(temp.engine, reference, {
        onProgress,
        ...(destination === undefined ? {} : { destination }),
        ...options,
      }),
  });
}

function puts(registry: TestRegistry): string[] {
  return registry.requests.flatMap(({ method, path }) =>
    method === 'PUT' && path.includes('/manifests/') ? [path] : [],
  );
}

describe('pushing an image', () => {
  it('sends every blob once, and the manifest last, all byte for byte', () =>
    withImage(async ({ temp, target, push }) => {
      const pushed = await push(`${target.host}/copy:v2`);
      assert.equal(pushed.reference, `${target.host}/copy:v2`);
      assert.equal(pushed.pinnedReference, `${target.host}/copy@${descriptor.digest}`);
      for (const [digest, bytes] of image.blobs) {
        if (digest === descriptor.digest) continue;
        assert.deepEqual(target.uploads.blob('copy', digest), bytes);
      }
      assert.deepEqual(puts(target), ['/v2/copy/manifests/v2']);
      const last = target.requests.at(-1);
      assert.deepEqual(last?.body, image.manifest.bytes);
      assert.equal(last?.headers['content-type'], descriptor.mediaType);
      assert.deepEqual(
        pushed.blobs.map(({ outcome }) => outcome),
        ['uploaded', 'uploaded', 'uploaded'],
      );
      assert.deepEqual(
        temp.events.flatMap((event) => (event.type === 'blob-pushed' ? event.outcome : [])),
        ['uploaded', 'uploaded', 'uploaded'],
      );
    }));

  it('sends nothing but the manifest the second time', () =>
    withImage(async ({ target, push }) => {
      await push(`${target.host}/copy:v1`);
      const before = target.requests.length;
      const again = await push(`${target.host}/copy:v2`);
      assert.ok(again.blobs.every(({ outcome }) => outcome === 'existing'));
      const methods = target.requests.slice(before).map(({ method }) => method);
      assert.deepEqual(methods, ['HEAD', 'HEAD', 'HEAD', 'PUT']);
    }));

  it('goes back under its own name without a destination', () =>
    withImage(async ({ source, reference, push }) => {
      assert.equal((await push()).reference, reference);
      assert.deepEqual(puts(source), ['/v2/app/manifests/v1']);
    }));

  it('mounts what another repository of the registry is known to have', () =>
    withImage(async ({ temp, target, push }) => {
      await push(`${target.host}/first:v1`);
      await tagImage(temp.engine, image.imageId, [`${target.host}/first:v1`]);
      const pushed = await push(`${target.host}/second:v1`);
      assert.ok(pushed.blobs.every(({ outcome }) => outcome === 'mounted'));
      assert.equal(target.requestsFor('from=first').length, 3);
    }));

  it('goes by its digest where the destination has no tag', () =>
    withImage(async ({ target, push }) => {
      const pushed = await push(`${target.host}/copy@${descriptor.digest}`);
      assert.deepEqual(puts(target), [`/v2/copy/manifests/${descriptor.digest}`]);
      assert.equal(pushed.reference, pushed.pinnedReference);
      await assert.rejects(
        push(`${target.host}/copy@${image.imageId}`),
        engineError('REFERENCE_INVALID', /digest of another manifest/),
      );
    }));

  it('pushes the fetched image of an index, and says so', async () => {
    await using registry = await TestRegistry.start();
    using temp = tempEngine();
    const arm = buildImage({ platform: { os: 'linux', architecture: 'arm64' } });
    const built = buildIndex([image, arm]);
    const reference = registry.addIndex('multi', 'v1', built);
    await fetchImage(temp.engine, reference, {
      ...update,
      platform: { os: 'linux', architecture: 'amd64' },
    });
    const { onProgress } = temp;
    const destination = `${registry.host}/single:v1`;
    const pushed = await pushImage(temp.engine, reference, { destination, onProgress });
    assert.equal(pushed.manifest.digest, descriptor.digest);
    const warnings = temp.events.flatMap((event) =>
      event.type === 'warning' ? event.message : [],
    );
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /only the image for linux\/amd64.* is pushed.*of the index/);
  });

  it('keeps the blobs from a collection while it works', () =>
    withImage(async ({ temp, target, push }) => {
      target.fault = ({ method }) => (method === 'HEAD' ? { delayMs: 200 } : undefined);
      const pushing = push(`${target.host}/copy:v1`);
      while (target.requests.length === 0) await new Promise((done) => setImmediate(done));
      await temp.engine.store.updateReferences(() => []);
      await collect(temp.engine.store, { inUse: () => [] });
      await pushing;
      assert.deepEqual(puts(target), ['/v2/copy/manifests/v1']);
      await collect(temp.engine.store, { inUse: () => [] });
      const path = blobPath(temp.engine.settings.dataDir, image.imageId);
      assert.equal(existsSync(path), false, 'the collection collects nothing');
    }));

  it('refuses a damaged blob, and tags nothing at the registry', () =>
    withImage(async ({ temp, target, push }) => {
      const [layer] = image.layers;
      assert.ok(layer !== undefined);
      const path = blobPath(temp.engine.settings.dataDir, layer.descriptor.digest);
      for (const bytes of [Buffer.alloc(layer.bytes.length), layer.bytes.subarray(5)]) {
        rmSync(path);
        writeFileSync(path, bytes);
        await assert.rejects(push(`${target.host}/copy:v1`), (error) => {
          engineError('STORE_CORRUPT', /damaged in the store/)(error);
          assert.match(String(Reflect.get(Object(error), 'hint')), /dray image verify/);
          return true;
        });
      }
      assert.deepEqual(puts(target), []);
      assert.equal(target.uploads.blob('copy', layer.descriptor.digest), undefined);
      assert.equal(target.uploads.openSessions, 0);
    }));

  it('needs no blob that the registry has, and says which one it lacks', () =>
    withImage(async ({ temp, target, push }) => {
      const [layer] = image.layers;
      assert.ok(layer !== undefined);
      rmSync(blobPath(temp.engine.settings.dataDir, layer.descriptor.digest));
      await assert.rejects(
        push(`${target.host}/copy:v1`),
        engineError('STORE_CORRUPT', new RegExp(`${layer.descriptor.digest} is neither at`)),
      );
      assert.deepEqual(puts(target), []);
      target.uploads.addBlob('copy', layer.bytes);
      await push(`${target.host}/copy:v1`);
      assert.deepEqual(puts(target), ['/v2/copy/manifests/v1']);
    }));

  it('leaves the tag as it was when it is cancelled', () =>
    withImage(async ({ target, push }) => {
      const controller = new AbortController();
      target.fault = ({ method }) => {
        if (method === 'PUT') controller.abort();
        return undefined;
      };
      const { signal } = controller;
      await assert.rejects(push(`${target.host}/copy:v1`, { signal }));
      assert.deepEqual(puts(target), []);
    }));

  it('fails when the registry states another digest for the manifest', () =>
    withImage(async ({ target, push }) => {
      target.fault = ({ method, path }) =>
        method === 'PUT' && path.includes('/manifests/')
          ? { headers: { 'docker-content-digest': image.imageId } }
          : undefined;
      await assert.rejects(
        push(`${target.host}/copy:v1`),
        engineError('DIGEST_MISMATCH', /stored something else than manifest/),
      );
    }));

  it('puts the manifest again after 503', () =>
    withImage(async ({ target, push }) => {
      target.fault = ({ method, path }, count) =>
        method === 'PUT' && path.includes('/manifests/') && count === 1
          ? { status: 503, headers: { 'retry-after': '0' } }
          : undefined;
      await push(`${target.host}/copy:v1`);
      assert.equal(puts(target).length, 2);
    }));

  it('refuses a file as destination, and an image without one name', () =>
    withImage(async ({ temp, push }) => {
      await assert.rejects(push('oci:dir:v1'), engineError('USAGE_INVALID', /is a file/));
      const byId = (): Promise<unknown> => pushImage(temp.engine, image.imageId);
      await tagImage(temp.engine, image.imageId, ['localhost/a']);
      await assert.rejects(byId(), engineError('USAGE_INVALID', /has 2 names/));
      await assert.rejects(pushImage(temp.engine, 'nothing:here'), engineError('IMAGE_NOT_FOUND'));
    }));
});
