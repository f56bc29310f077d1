import assert from 'node:assert/strict';
import { readFileSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { chainIdOf, digestOf } from '../../../src/core/oci/digest.ts';
import { parseImageConfig } from '../../../src/core/oci/image-config.ts';
import { parseManifestDocument } from '../../../src/core/oci/image-manifest.ts';
import {
  type ImageSummary,
  lastUsedAt,
  listSummaries,
  listSummaryIds,
  readSummary,
  summariseImage,
  touchLastUsed,
  writeSummary,
} from '../../../src/core/store/image-summary.ts';
import { imageSummaryPath } from '../../../src/core/store/store-paths.ts';
import { engineError } from '../../support/engine-errors.ts';
import { type BuiltImage, buildImage } from '../../support/image-builder.ts';
import { TempStore } from './store-fixture.ts';

const IMAGE = buildImage({
  layers: [Buffer.from('one'), Buffer.from('two')],
  platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
  config: {
    User: '1000:1000',
    Env: ['A=1', 'B=two words'],
    Entrypoint: ['/bin/sh', '-c'],
    Cmd: [],
    WorkingDir: '/srv',
    Volumes: { '/data': {}, __proto__x: {} },
    Labels: { constructor: 'a label', toString: 'another' },
    StopSignal: 'SIGQUIT',
    ExposedPorts: { '80/tcp': {} },
  },
  configFields: { created: '2026-01-01T00:00:00Z' },
});

function summaryOf(image: BuiltImage): ImageSummary {
  const document = parseManifestDocument(image.manifest.bytes, undefined, 'manifest');
  assert.equal(document.kind, 'manifest');
  return summariseImage({
    imageId: image.imageId,
    manifestDescriptor: image.manifest.descriptor,
    manifest: document.kind === 'manifest' ? document.manifest : assert.fail(),
    config: parseImageConfig(image.config.bytes, 'config'),
    chainId: chainIdOf(image.diffIds),
    devices: image.diffIds.slice(1),
  });
}

const SUMMARY = summaryOf(IMAGE);

describe('summariseImage', () => {
  it('counts the bytes of all blobs and pairs each layer with its diffID', () => {
    const sizes = [...IMAGE.blobs.values()].map(({ length }) => length);
    assert.equal(
      SUMMARY.sizeBytes,
      sizes.reduce((sum, size) => sum + size, 0),
    );
    assert.deepEqual(
      SUMMARY.layers.map(({ digest, diffId }) => [digest, diffId]),
      IMAGE.layers.map(({ descriptor }, at) => [descriptor.digest, IMAGE.diffIds[at]]),
    );
    assert.equal(SUMMARY.createdAt, '2026-01-01T00:00:00Z');
  });

  it('refuses an image whose manifest and config count different layers', () => {
    const image = buildImage({
      layers: [Buffer.from('one')],
      configFields: { rootfs: { type: 'layers', diff_ids: [] } },
    });
    assert.throws(() => summaryOf(image), engineError('IMAGE_INVALID', /1 layers.* 0 /));
  });
});

describe('readSummary', () => {
  it('gives back what was written', () => {
    using temp = new TempStore();
    temp.open();
    writeSummary(temp.dataDir, SUMMARY);
    const read = readSummary(temp.dataDir, IMAGE.imageId);
    assert.deepEqual(JSON.parse(JSON.stringify(read)), JSON.parse(JSON.stringify(SUMMARY)));
    assert.equal(read.config.Labels?.constructor, 'a label');
    assert.equal(Object.getPrototypeOf(read.config.Labels), null);
  });

  it('says that a summary is missing', () => {
    using temp = new TempStore();
    temp.open();
    const read = (): ImageSummary => readSummary(temp.dataDir, IMAGE.imageId);
    assert.throws(read, engineError('STORE_CORRUPT', /is missing/));
  });

  const [LAYER] = SUMMARY.layers;
  const damages: readonly (readonly [what: string, content: unknown])[] = [
    ['nothing', ''],
    ['half of it', JSON.stringify(SUMMARY).slice(0, 100)],
    ['a list', []],
    ['null', null],
    ['another version', { ...SUMMARY, version: 2 }],
    ['a chainID that is a path', { ...SUMMARY, chainId: '../../x' }],
    ['an image id that is a path', { ...SUMMARY, imageId: 'sha256:../x' }],
    ['the id of another image', { ...SUMMARY, imageId: digestOf('other') }],
    ['a device that is a path', { ...SUMMARY, devices: ['sha256:/etc/passwd'] }],
    ['a diffID that is none', { ...SUMMARY, layers: [{ ...LAYER, diffId: 'x' }] }],
    ['a layer that is a number', { ...SUMMARY, layers: [7] }],
    ['an Env that is text', { ...SUMMARY, config: { ...SUMMARY.config, Env: 'A=1' } }],
    ['an Env of numbers', { ...SUMMARY, config: { ...SUMMARY.config, Env: [1] } }],
    ['a User that is a number', { ...SUMMARY, config: { ...SUMMARY.config, User: 0 } }],
    ['no architecture', { ...SUMMARY, config: { os: 'linux' } }],
    ['a negative size', { ...SUMMARY, sizeBytes: -1 }],
  ];
  for (const [what, content] of damages) {
    it(`refuses a summary that holds ${what}, and lists the others`, () => {
      using temp = new TempStore();
      temp.open();
      const other = { ...SUMMARY, imageId: digestOf('whole') };
      writeSummary(temp.dataDir, other);
      const text = typeof content === 'string' ? content : JSON.stringify(content);
      writeFileSync(imageSummaryPath(temp.dataDir, IMAGE.imageId), text);
      const read = (): ImageSummary => readSummary(temp.dataDir, IMAGE.imageId);
      assert.throws(read, engineError('STORE_CORRUPT'));
      const listed = listSummaries(temp.dataDir).map(({ imageId }) => imageId);
      assert.deepEqual(listed, [other.imageId]);
      assert.equal(listSummaryIds(temp.dataDir).length, 2);
    });
  }
});

describe('touchLastUsed', () => {
  it('moves the time of last use, and changes no byte', () => {
    using temp = new TempStore();
    temp.open();
    writeSummary(temp.dataDir, SUMMARY);
    const path = imageSummaryPath(temp.dataDir, IMAGE.imageId);
    utimesSync(path, 1, 1);
    assert.deepEqual(lastUsedAt(temp.dataDir, IMAGE.imageId), new Date(1000));
    const before = readFileSync(path);
    const now = Date.now();
    touchLastUsed(temp.dataDir, IMAGE.imageId);
    const used = lastUsedAt(temp.dataDir, IMAGE.imageId)?.getTime() ?? 0;
    assert.ok(used >= now - 1 && used <= Date.now());
    assert.deepEqual(readFileSync(path), before);
  });

  it('does nothing without a summary', () => {
    using temp = new TempStore();
    temp.open();
    touchLastUsed(temp.dataDir, IMAGE.imageId);
    assert.equal(lastUsedAt(temp.dataDir, IMAGE.imageId), undefined);
    writeSummary(temp.dataDir, SUMMARY);
    unlinkSync(imageSummaryPath(temp.dataDir, IMAGE.imageId));
    assert.deepEqual(listSummaries(temp.dataDir), []);
  });
});
