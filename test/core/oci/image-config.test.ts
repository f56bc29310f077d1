import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { digestOf } from '../../../src/core/oci/digest.ts';
import { pairLayers, parseImageConfig } from '../../../src/core/oci/image-config.ts';
import { parseManifestDocument } from '../../../src/core/oci/image-manifest.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage, jsonBytes } from '../../support/image-builder.ts';

const DIFF_ID = digestOf('layer');
const CONFIG = {
  architecture: 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [DIFF_ID] },
};

function parse(value: unknown): ReturnType<typeof parseImageConfig> {
  return parseImageConfig(
    typeof value === 'string' ? Buffer.from(value) : jsonBytes(value),
    'image config',
  );
}

function parseDefaults(config: unknown): ReturnType<typeof parseImageConfig>['config'] {
  return parse({ ...CONFIG, config }).config;
}

describe('parseImageConfig', () => {
  it('reads every field that dray uses', () => {
    const config = parse({
      ...CONFIG,
      variant: 'v2',
      created: '2024-01-01T00:00:00Z',
      author: 'somebody',
      config: {
        User: '1000:1000',
        Env: ['A=1'],
        Entrypoint: ['/e'],
        Cmd: ['c'],
        WorkingDir: '/w',
        StopSignal: 'SIGINT',
        Labels: { a: 'b' },
        Volumes: { '/data': {} },
        ExposedPorts: { '80/tcp': {} },
        Shell: ['/bin/sh', '-c'],
        Healthcheck: { Test: ['NONE'] },
      },
      history: [{ created_by: 'x', empty_layer: true }],
    });
    assert.equal(config.variant, 'v2');
    assert.deepEqual(config.rootfs.diff_ids, [DIFF_ID]);
    assert.deepEqual(config.config.Env, ['A=1']);
    assert.deepEqual([config.config.Entrypoint, config.config.Cmd], [['/e'], ['c']]);
    assert.deepEqual(Object.keys(config.config.Volumes ?? {}), ['/data']);
    assert.deepEqual(config.config.Shell, ['/bin/sh', '-c']);
    assert.deepEqual(config.history, [{ created_by: 'x', empty_layer: true }]);
  });

  it('takes a missing or null config as no defaults', () => {
    assert.deepEqual(parse(CONFIG).config, {});
    assert.deepEqual(parseDefaults(null), {});
    assert.deepEqual(parseDefaults({ Entrypoint: null, Cmd: null, Env: null, User: null }), {});
  });

  it('takes one string as a command of one word, and an empty one as empty', () => {
    assert.deepEqual(parseDefaults({ Entrypoint: '/e', Cmd: [] }), { Entrypoint: ['/e'], Cmd: [] });
  });

  it('ignores junk where nothing depends on it', () => {
    const junk = {
      ExposedPorts: 'x',
      Volumes: ['/a'],
      Labels: 7,
      Healthcheck: 'x',
      Shell: [1],
      OnBuild: {},
      Memory: 'much',
      StopSignal: 9,
    };
    assert.deepEqual(parseDefaults(junk), {});
    const config = parse({ ...CONFIG, history: 'x', created: 7, author: null, future: 1 });
    assert.deepEqual(config.history, []);
    assert.equal(config.created, undefined);
    assert.deepEqual(parseDefaults({ Labels: { a: 1, b: 'c' } }).Labels?.b, 'c');
  });

  it('keeps keys such as __proto__ and constructor as data', () => {
    const text = JSON.stringify({
      ...CONFIG,
      config: { Labels: { LABEL: 'x', constructor: 'y' } },
    });
    const labels = parse(text.replace('LABEL', '__proto__')).config.Labels ?? {};
    assert.deepEqual(Object.entries(labels), [
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    assert.equal(Object.getPrototypeOf(labels), null);
  });

  const refused: [name: string, value: unknown, code: ErrorCode, message: RegExp][] = [
    ['no os', { ...CONFIG, os: undefined }, 'IMAGE_INVALID', /field os/],
    [
      'an empty architecture',
      { ...CONFIG, architecture: '' },
      'IMAGE_INVALID',
      /field architecture/,
    ],
    ['no rootfs', { ...CONFIG, rootfs: undefined }, 'IMAGE_INVALID', /field rootfs/],
    [
      'another rootfs type',
      { ...CONFIG, rootfs: { type: 'x', diff_ids: [] } },
      'IMAGE_INVALID',
      /rootfs\.type/,
    ],
    [
      'diff_ids that are text',
      { ...CONFIG, rootfs: { type: 'layers', diff_ids: 'x' } },
      'IMAGE_INVALID',
      /diff_ids/,
    ],
    [
      'a malformed diffID',
      { ...CONFIG, rootfs: { type: 'layers', diff_ids: [DIFF_ID, 'sha256:x'] } },
      'DIGEST_INVALID',
      /diff_ids\[1\]/,
    ],
    ['a config that is text', { ...CONFIG, config: 'x' }, 'IMAGE_INVALID', /field config/],
    [
      'an Env that is an object',
      { ...CONFIG, config: { Env: { A: '1' } } },
      'IMAGE_INVALID',
      /config\.Env/,
    ],
    [
      'an Env with a number',
      { ...CONFIG, config: { Env: ['A=1', 2] } },
      'IMAGE_INVALID',
      /config\.Env\[1\]/,
    ],
    ['an Env that is text', { ...CONFIG, config: { Env: 'A=1' } }, 'IMAGE_INVALID', /config\.Env/],
    [
      'an Entrypoint that is a number',
      { ...CONFIG, config: { Entrypoint: 1 } },
      'IMAGE_INVALID',
      /config\.Entrypoint/,
    ],
    [
      'a Cmd with null in it',
      { ...CONFIG, config: { Cmd: [null] } },
      'IMAGE_INVALID',
      /config\.Cmd\[0\]/,
    ],
    ['a NUL in Cmd', { ...CONFIG, config: { Cmd: ['a\0b'] } }, 'IMAGE_INVALID', /NUL/],
    ['a NUL in Env', { ...CONFIG, config: { Env: ['A=\0'] } }, 'IMAGE_INVALID', /NUL/],
    ['a NUL in WorkingDir', { ...CONFIG, config: { WorkingDir: '/a\0' } }, 'IMAGE_INVALID', /NUL/],
    [
      'a User that is a number',
      { ...CONFIG, config: { User: 1000 } },
      'IMAGE_INVALID',
      /config\.User/,
    ],
    ['an array', [], 'IMAGE_INVALID', /array/],
    ['4 MiB and one byte', ' '.repeat(4 * 1024 * 1024 + 1), 'IMAGE_INVALID', /at most/],
  ];
  for (const [name, value, code, message] of refused) {
    it(`refuses ${name}`, () => assert.throws(() => parse(value), engineError(code, message)));
  }
});

describe('pairLayers', () => {
  const image = buildImage({ layers: [Buffer.from('a'), Buffer.from('b')] });
  const document = parseManifestDocument(image.manifest.bytes, undefined, 'manifest');
  assert.ok(document.kind === 'manifest');
  const { manifest } = document;

  it('gives each layer its diffID', () => {
    const config = parseImageConfig(image.config.bytes, 'config');
    assert.deepEqual(
      pairLayers(manifest, config, 'image').map(({ diffId }) => diffId),
      image.diffIds,
    );
  });

  for (const count of [0, 1, 3]) {
    it(`refuses ${count} diffIDs for two layers`, () => {
      const diff_ids = Array.from({ length: count }, () => DIFF_ID);
      const config = parse({ ...CONFIG, rootfs: { type: 'layers', diff_ids } });
      assert.throws(
        () => pairLayers(manifest, config, 'image "x"'),
        engineError('IMAGE_INVALID', /2 layers in its manifest but/),
      );
    });
  }
});
