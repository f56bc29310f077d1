import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { parseDigest } from '../../../src/core/oci/digest.ts';
import { collectGarbage } from '../../../src/core/operations/collect-garbage.ts';
import { exportImage } from '../../../src/core/operations/export-image.ts';
import { type ImportOptions, importImage } from '../../../src/core/operations/import-image.ts';
import { inspectImage } from '../../../src/core/operations/inspect-image.ts';
import { engineError } from '../../support/engine-errors.ts';
import { collect } from '../../support/registry-clients.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { tempEngine } from '../../support/temp-engine.ts';

const tree = tarOf([
  { name: 'etc', type: 'directory' },
  { name: 'etc/hello', content: 'hello\n', uid: 7, mode: 0o4755 },
]);
const NAME = 'docker.io/me/x:1';

/** Imports `bytes` from a file of a store of its own; config, manifest and layer of the image. */
async function imported(bytes: Buffer, options: Partial<ImportOptions> = {}) {
  using temp = tempEngine();
  const path = join(temp.directory, 'root.tar');
  writeFileSync(path, bytes);
  const image = await importImage(temp.engine, { path }, { name: NAME, ...options });
  const { manifest, config, platform } = inspectImage(temp.engine, image.reference);
  const document = JSON.parse(JSON.stringify(manifest));
  const digest = parseDigest(document.layers[0].digest, 'manifest');
  const layer = readFileSync(join(temp.engine.settings.dataDir, 'blobs', digest.replace(':', '/')));
  const root = await collect(exportImage(temp.engine, NAME));
  const leftovers = temp.files().filter((file) => file.startsWith('ingest/'));
  const parsed = JSON.parse(JSON.stringify(config));
  return { image, manifest: document, config: parsed, layer, root, platform, leftovers };
}

describe('importing a root file system', () => {
  const gzip = gzipSync(tree, { level: 9 });
  const zstd = zstdCompressSync(tree);
  const rows: { name: string; bytes: Buffer; mediaType: string; blob?: Buffer }[] = [
    { name: 'a plain tar is compressed with gzip', bytes: tree, mediaType: 'tar+gzip' },
    { name: 'a gzip tar is the blob as it is', bytes: gzip, mediaType: 'tar+gzip', blob: gzip },
    { name: 'a zstd tar is the blob as it is', bytes: zstd, mediaType: 'tar+zstd', blob: zstd },
  ];
  for (const { name, bytes, mediaType, blob } of rows) {
    it(name, async () => {
      const { image, manifest, layer, root, leftovers } = await imported(bytes);
      assert.equal(image.reference, NAME);
      assert.equal(manifest.layers[0].mediaType, `application/vnd.oci.image.layer.v1.${mediaType}`);
      assert.deepEqual(blob === undefined ? gunzipSync(layer) : layer, blob ?? tree);
      const listing = execFileSync('tar', ['-tvf', '-'], { input: root, encoding: 'utf8' });
      assert.match(listing, /-rwsr-xr-x 7\/0 +6 1970.* etc\/hello\n/);
      assert.deepEqual(leftovers, []);
    });
  }

  it('compresses the same tar to the same layer, from a stream too', async () => {
    const { layer } = await imported(tree);
    using temp = tempEngine();
    const stream = (async function* () {
      for (let at = 0; at < tree.length; at += 100) yield tree.subarray(at, at + 100);
    })();
    const input = { stream, label: 'standard input' };
    await importImage(temp.engine, input, { name: NAME });
    const { manifest, config } = inspectImage(temp.engine, NAME);
    assert.equal(JSON.parse(JSON.stringify(manifest)).layers[0].size, layer.length);
    assert.match(JSON.stringify(config), /Imported from standard input/);
  });

  it('applies changes on top of a config, and keeps what it does not know', async () => {
    const config = JSON.stringify({
      author: 'me',
      architecture: 'riscv64',
      os: 'linux',
      created: '2020-01-02T03:04:05Z',
      'x-own': { a: 1 },
      rootfs: { type: 'layers', diff_ids: ['sha256:junk'] },
      history: [{ created_by: 'old' }],
      config: { Env: ['A=1'], Cmd: ['old'], Custom: true },
    });
    const changes = [
      'ENTRYPOINT ["/bin/e", "x"]',
      'CMD echo hi',
      'ENV B=2 C="$A 3"',
      'USER app:app',
      'WORKDIR /srv',
      'WORKDIR sub',
      'EXPOSE 80 53/udp',
      'VOLUME ["/data"]',
      'LABEL a.b="c d"',
      'STOPSIGNAL SIGINT',
    ];
    const found = await imported(tree, { config, changes, message: 'why' });
    const { diff_ids: diffIds } = found.config.rootfs;
    assert.equal(diffIds.length, 1);
    assert.deepEqual(found.config, {
      author: 'me',
      architecture: 'riscv64',
      os: 'linux',
      created: '2020-01-02T03:04:05Z',
      'x-own': { a: 1 },
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: [
        { created: '2020-01-02T03:04:05Z', created_by: 'dray image import', comment: 'why' },
      ],
      config: {
        Env: ['A=1', 'B=2', 'C=1 3'],
        Cmd: ['/bin/sh', '-c', 'echo hi'],
        Custom: true,
        Entrypoint: ['/bin/e', 'x'],
        User: 'app:app',
        WorkingDir: '/srv/sub',
        ExposedPorts: { '80/tcp': {}, '53/udp': {} },
        Volumes: { '/data': {} },
        Labels: { 'a.b': 'c d' },
        StopSignal: 'SIGINT',
      },
    });
    assert.equal(found.platform, 'linux/riscv64');
  });

  it('takes a config that is only the part with the defaults', async () => {
    const { config } = await imported(tree, { config: '{"Cmd":["x"],"Env":["A=b"]}' });
    assert.deepEqual(config.config, { Cmd: ['x'], Env: ['A=b'] });
  });

  it('makes an image for another platform where that is asked for', async () => {
    const platform = { os: 'linux', architecture: 'arm64', variant: 'v8' };
    const config = '{"os":"linux","architecture":"amd64","config":{}}';
    assert.equal((await imported(tree, { platform, config })).platform, 'linux/arm64/v8');
  });

  const refused: {
    name: string;
    bytes?: Buffer;
    options?: Partial<ImportOptions>;
    code: ErrorCode;
    message: RegExp;
  }[] = [
    {
      name: 'a text',
      bytes: Buffer.from('hello\n'.repeat(200)),
      code: 'LAYER_INVALID',
      message: /layer 1\/1/,
    },
    {
      name: 'a tar cut short',
      bytes: tree.subarray(0, 1600),
      code: 'LAYER_INVALID',
      message: /layer 1\/1/,
    },
    {
      name: 'a gzip tar cut short',
      bytes: gzip.subarray(0, 60),
      code: 'IMAGE_INVALID',
      message: /cannot be inflated/,
    },
    {
      name: 'an xz file',
      bytes: Buffer.from('fd377a585a000004', 'hex'),
      code: 'IMAGE_INVALID',
      message: /compressed with xz/,
    },
    {
      name: 'a name that leads out',
      bytes: tarOf([{ name: '../x' }]),
      code: 'LAYER_ENTRY_REJECTED',
      message: /"\.\.\/x"/,
    },
    {
      name: 'a name by digest',
      options: { name: `x@sha256:${'0'.repeat(64)}` },
      code: 'USAGE_INVALID',
      message: /by digest/,
    },
    {
      name: 'a name that is none',
      options: { name: 'UPPER' },
      code: 'REFERENCE_INVALID',
      message: /lowercase/,
    },
    {
      name: 'a change that is none',
      options: { changes: ['RUN x'] },
      code: 'USAGE_INVALID',
      message: /"RUN x"/,
    },
    {
      name: 'a config that is no JSON',
      options: { config: '{' },
      code: 'USAGE_INVALID',
      message: /the config is not a JSON document/,
    },
    {
      name: 'a config with a wrong field',
      options: { config: '{"config":{"Env":7}}' },
      code: 'USAGE_INVALID',
      message: /config\.Env/,
    },
  ];
  for (const { name, bytes = tree, options, code, message } of refused) {
    it(`refuses ${name}, and leaves the store as it was`, async () => {
      using temp = tempEngine();
      const before = temp.files();
      const path = join(temp.directory, 'root.tar');
      writeFileSync(path, bytes);
      const work = importImage(temp.engine, { path }, { name: NAME, ...options });
      await assert.rejects(work, engineError(code, message));
      await collectGarbage(temp.engine);
      assert.deepEqual(temp.files(), before);
    });
  }
});
