import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { EngineError, type ErrorCode } from '../../../src/core/errors.ts';
import { collectGarbage } from '../../../src/core/operations/collect-garbage.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { loadImages } from '../../../src/core/operations/load-images.ts';
import type { ArchiveInput } from '../../../src/core/operations/spool-input.ts';
import { archiveFile, layoutMembers } from '../../support/archive-files.ts';
import { engineError } from '../../support/engine-errors.ts';
import { buildImage } from '../../support/image-builder.ts';
import { writeDockerArchive } from '../../support/layout-writer.ts';
import { type TarEntrySpec, tarOf } from '../../support/tar-builder.ts';
import { tempEngine } from '../../support/temp-engine.ts';

const tree = tarOf([{ name: 'hello', content: 'hello\n' }]);
const other = tarOf([{ name: 'other', content: 'other\n' }]);
const image = buildImage({ layers: [tree] });
const second = buildImage({ layers: [tree, other], compression: 'zstd' });
const plain = buildImage({ layers: [tree, other], compression: 'none', mediaTypes: 'docker' });
const NAME = 'docker.io/library/x:1';
const members = layoutMembers(image);

/** Members that make `members` a docker archive, too. */
function dockerManifest(value: unknown): TarEntrySpec {
  return { name: 'manifest.json', content: JSON.stringify(value) };
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('loading an archive', () => {
  const forms: { name: string; input: (archive: Buffer, file: string) => ArchiveInput }[] = [
    { name: 'from a file', input: (archive, path) => written(path, archive) },
    { name: 'from a gzip file', input: (archive, path) => written(path, gzipSync(archive)) },
    {
      name: 'from a zstd file',
      input: (archive, path) => written(path, zstdCompressSync(archive)),
    },
    {
      name: 'from a gzip file of two members',
      input: (archive, path) =>
        written(
          path,
          Buffer.concat([gzipSync(archive.subarray(0, 700)), gzipSync(archive.subarray(700))]),
        ),
    },
    {
      name: 'from a stream',
      input: (archive) => ({ stream: inPieces(archive, 333), label: 'standard input' }),
    },
    {
      name: 'from a gzip stream',
      input: (archive) => ({ stream: inPieces(gzipSync(archive), 100), label: 'standard input' }),
    },
  ];
  for (const { name, input } of forms) {
    it(`takes its images ${name}, and leaves no copy of it`, async () => {
      using temp = tempEngine();
      const archive = input(tarOf(members), join(temp.directory, 'x.tar'));
      const loaded = await loadImages(temp.engine, archive);
      assert.deepEqual(loaded, [{ imageId: image.imageId, references: [NAME], changed: true }]);
      assert.deepEqual(
        temp.files().filter((file) => file.startsWith('ingest/')),
        [],
      );
    });
  }

  it('changes nothing the second time', async () => {
    using temp = tempEngine();
    const path = archiveFile(join(temp.directory, 'x.tar'), members);
    await loadImages(temp.engine, { path });
    const before = temp.engine.store.readReferences();
    const [again] = await loadImages(temp.engine, { path });
    assert.equal(again?.changed, false);
    assert.deepEqual(temp.engine.store.readReferences(), before);
  });

  it('takes every image, each with all its names, and leaves attestations out', async () => {
    using temp = tempEngine();
    const blobs = new Map([...image.blobs, ...second.blobs]);
    const entry = (built: typeof image, annotations: Record<string, string>) => ({
      ...built.manifest.descriptor,
      annotations,
    });
    const key = 'io.containerd.image.name';
    const manifests = [
      entry(image, { [key]: 'docker.io/library/a:1' }),
      entry(second, {}),
      entry(image, { [key]: 'reg.lan:5000/a:2' }),
      entry(image, { [key]: 'Not A/Name:1' }),
      {
        ...entry(image, { 'vnd.docker.reference.type': 'attestation-manifest' }),
        digest: image.imageId,
      },
    ];
    const path = archiveFile(join(temp.directory, 'x.tar'), [
      { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
      { name: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests }) },
      ...[...blobs].map(([digest, content]) => ({
        name: `blobs/${digest.replace(':', '/')}`,
        content,
      })),
    ]);
    const loaded = await loadImages(temp.engine, { path }, { onProgress: temp.onProgress });
    const names = ['docker.io/library/a:1', 'reg.lan:5000/a:2'];
    assert.deepEqual(loaded, [
      { imageId: image.imageId, references: names, changed: true },
      { imageId: second.imageId, references: [], changed: true },
    ]);
    const records = temp.engine.store.readReferences();
    assert.deepEqual(
      records.map(({ reference }) => reference).sort(),
      [...names, undefined].sort(),
    );
    const warnings = temp.events.filter(({ type }) => type === 'warning');
    assert.match(JSON.stringify(warnings), /Not A\/Name:1.*is no reference to its image/);
  });

  it('tells who gives it the tar of a root file system what to do', async () => {
    using temp = tempEngine();
    const path = archiveFile(join(temp.directory, 'x.tar'), [{ name: 'etc/passwd', content: 'x' }]);
    const error: unknown = await loadImages(temp.engine, { path }).catch(
      (thrown: unknown) => thrown,
    );
    assert.ok(engineError('IMAGE_INVALID', /is no image archive/)(error));
    assert.match(error instanceof EngineError ? (error.hint ?? '') : '', /image import/);
  });

  it('takes a name by digest only for the image that has the digest', async () => {
    using temp = tempEngine();
    const { digest } = image.manifest.descriptor;
    const own = `reg.lan/a@${digest}`;
    const stolen = `reg.lan/a@sha256:${'0'.repeat(64)}`;
    const named = (name: string) => ({
      ...image.manifest.descriptor,
      annotations: { 'org.opencontainers.image.ref.name': name },
    });
    const layout = archiveFile(join(temp.directory, 'layout.tar'), [
      ...members.filter(({ name }) => name !== 'index.json'),
      {
        name: 'index.json',
        content: JSON.stringify({ schemaVersion: 2, manifests: [named(stolen), named(own)] }),
      },
    ]);
    const [ofLayout] = await loadImages(
      temp.engine,
      { path: layout },
      { onProgress: temp.onProgress },
    );
    assert.deepEqual(ofLayout?.references, [own]);
    assert.match(JSON.stringify(temp.events), /@sha256:0000.*is no reference to its image/);
    const saved = writeDockerArchive(join(temp.directory, 'saved'), [
      { image: plain, repoTags: [stolen] },
    ]);
    const [ofArchive] = await loadImages(temp.engine, { path: saved });
    assert.deepEqual(ofArchive?.references, []);
    await fetchImage(temp.engine, `docker-archive:${saved}`, { pullPolicy: 'update' });
    await fetchImage(temp.engine, `oci-archive:${layout}:${stolen}`, { pullPolicy: 'update' });
    const names = temp.engine.store.readReferences().map(({ reference }) => reference);
    assert.ok(!names.includes(stolen));
  });

  it('names an image with a bare tag after the file, and of a stream not at all', async () => {
    using temp = tempEngine();
    const { 'index.json': _index, ...others } = Object.fromEntries(
      members.map((member) => [member.name, member]),
    );
    const manifests = [
      {
        ...image.manifest.descriptor,
        annotations: { 'org.opencontainers.image.ref.name': 'v7' },
      },
    ];
    const bare = tarOf([
      { name: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests }) },
      ...Object.values(others),
    ]);
    const path = join(temp.directory, 'App_2.tar.gz');
    writeFileSync(path, gzipSync(bare));
    const [fromFile] = await loadImages(temp.engine, { path });
    assert.deepEqual(fromFile?.references, ['localhost/app-2:v7']);
    const [fromStream] = await loadImages(temp.engine, { stream: inPieces(bare, 512), label: '-' });
    assert.deepEqual(fromStream?.references, []);
  });

  for (const [name, built] of [
    ['plain', plain],
    ['gzip', image],
    ['zstd', second],
  ] as const) {
    it(`takes a docker archive with ${name} layers`, async () => {
      using temp = tempEngine();
      const path = writeDockerArchive(join(temp.directory, 'saved'), [
        { image: built, repoTags: ['app:v3', 'app:v4'] },
      ]);
      const loaded = await loadImages(temp.engine, { path });
      const references = ['docker.io/library/app:v3', 'docker.io/library/app:v4'];
      assert.deepEqual(loaded, [{ imageId: built.imageId, references, changed: true }]);
    });
  }

  it('follows the links with which old docker archives share layers', async () => {
    using temp = tempEngine();
    const [layer] = buildImage({ layers: [tree], compression: 'none' }).layers;
    assert.ok(layer);
    const single = buildImage({ layers: [tree], compression: 'none', mediaTypes: 'docker' });
    const path = archiveFile(join(temp.directory, 'x.tar'), [
      { name: 'aaa/layer.tar', content: layer.bytes },
      { name: 'bbb/layer.tar', type: 'symlink', link: '../aaa/layer.tar' },
      { name: 'c.json', content: single.config.bytes },
      dockerManifest([{ Config: 'c.json', RepoTags: null, Layers: ['bbb/layer.tar'] }]),
    ]);
    const loaded = await loadImages(temp.engine, { path });
    assert.deepEqual(loaded, [{ imageId: single.imageId, references: [], changed: true }]);
  });

  it('believes the layout of an archive that is both', async () => {
    using temp = tempEngine();
    const path = archiveFile(join(temp.directory, 'x.tar'), [
      ...members,
      dockerManifest([{ Config: 'missing', RepoTags: ['evil:1'], Layers: [] }]),
    ]);
    assert.deepEqual(
      (await loadImages(temp.engine, { path })).map(({ references }) => references),
      [[NAME]],
    );
  });

  it('reads sizes beyond 8 GiB where Go writes them', async () => {
    using temp = tempEngine();
    const [config, ...others] = members;
    assert.ok(config);
    const content = String(config.content);
    const path = archiveFile(join(temp.directory, 'x.tar'), [
      // A size of zero in the header itself: the PAX record is the one that counts.
      {
        ...config,
        pax: { size: String(content.length) },
        editHeader: (header) => header.write('00000000000', 124, 'latin1'),
      },
      ...others,
    ]);
    assert.equal((await loadImages(temp.engine, { path })).length, 1);
  });
});

function written(path: string, bytes: Buffer): ArchiveInput {
  writeFileSync(path, bytes);
  return { path };
}

describe('an archive that is not right', () => {
  const blob = `blobs/${image.imageId.replace(':', '/')}`;
  const layer = `blobs/${image.layers[0]?.descriptor.digest.replace(':', '/')}`;
  const with_ = (...more: TarEntrySpec[]) => tarOf([...members, ...more]);
  const without = (name: string, ...more: TarEntrySpec[]) =>
    tarOf([...members.filter((member) => member.name !== name), ...more]);
  const manyEntries = Array.from({ length: 5000 }, () => ({ Config: 'c' }));
  const entry = (value: unknown) =>
    tarOf([{ name: 'c', content: image.config.bytes }, dockerManifest(value)]);
  const rows: { name: string; bytes: Buffer; code?: ErrorCode; message: RegExp }[] = [
    {
      name: 'a member that leads out',
      bytes: with_({ name: '../../etc/x' }),
      message: /"\.\.\/\.\.\/etc\/x", which leads out of it/,
    },
    {
      name: 'a member that leads out and in again',
      bytes: with_({ name: '../../../etc/x' }),
      message: /leads out of it/,
    },
    {
      name: 'a symbolic link that leads out',
      bytes: with_({ name: 'a/b', type: 'symlink', link: '../../x' }),
      message: /"\.\.\/\.\.\/x", which leads out/,
    },
    {
      name: 'an absolute symbolic link',
      bytes: with_({ name: 'a', type: 'symlink', link: '/etc/shadow' }),
      message: /"\/etc\/shadow", which leads out/,
    },
    {
      name: 'a blob that is a link to the host',
      bytes: without(layer, { name: layer, type: 'symlink', link: '/etc/shadow' }),
      message: /leads out/,
    },
    {
      name: 'a hard link that leads out',
      bytes: with_({ name: 'a', type: 'hardlink', link: '../x' }),
      message: /leads out/,
    },
    {
      name: 'a member twice',
      bytes: with_({ name: 'index.json', content: '{}' }),
      message: /holds the member "index.json" twice/,
    },
    {
      name: 'a member twice, once as a link',
      bytes: with_({ name: './index.json', type: 'symlink', link: 'x' }),
      message: /"index.json" twice/,
    },
    {
      name: 'a link to itself',
      bytes: without(blob, { name: blob, type: 'symlink', link: blob.slice(-64) }),
      message: /lacks the blob/,
    },
    {
      name: 'a blob that is a directory',
      bytes: without(blob, { name: blob, type: 'directory' }),
      message: /lacks the blob/,
    },
    {
      name: 'a blob that is a device',
      bytes: without(layer, { name: layer, type: 'character-device', major: 1, minor: 5 }),
      message: /needs the layer .*, and the archive lacks it/,
    },
    { name: 'a config that is missing', bytes: without(blob), message: /lacks the blob sha256:/ },
    {
      name: 'a layer that is missing',
      bytes: without(layer),
      message: /needs the layer sha256:.*, and the archive lacks it/,
    },
    {
      name: 'a layer of another size',
      bytes: without(layer, { name: layer, content: 'x' }),
      code: 'SIZE_MISMATCH',
      message: /the archive has 1 bytes of it/,
    },
    {
      name: 'a config with other bytes',
      bytes: without(blob, { name: blob, content: Buffer.alloc(image.config.bytes.length, 'x') }),
      code: 'DIGEST_MISMATCH',
      message: /expected "sha256:/,
    },
    {
      name: 'an index that is no JSON',
      bytes: without('index.json', { name: 'index.json', content: '{' }),
      message: /is not a JSON document/,
    },
    {
      name: 'an index without images',
      bytes: without('index.json', {
        name: 'index.json',
        content: '{"schemaVersion":2,"manifests":[]}',
      }),
      code: 'IMAGE_NOT_FOUND',
      message: /holds no image/,
    },
    {
      name: 'an index of 5 MiB',
      bytes: without('index.json', { name: 'index.json', content: Buffer.alloc(5 << 20, ' ') }),
      message: /no more than 4194304 are accepted/,
    },
    {
      name: 'a manifest.json with a million images',
      bytes: entry(Array.from({ length: 1_000_000 }, () => 1)),
      message: /lists 1000000 images/,
    },
    {
      name: 'a manifest.json with 5000 images',
      bytes: entry(manyEntries),
      message: /lists 5000 images/,
    },
    {
      name: 'a manifest.json with 2000 layers',
      bytes: entry([{ Config: 'c', Layers: Array.from({ length: 2000 }, () => 'c') }]),
      message: /an image of 2000 layers/,
    },
    {
      name: 'a manifest.json that names a file outside',
      bytes: entry([{ Config: '../../etc/passwd', Layers: [] }]),
      message: /has no file "\.\.\/\.\.\/etc\/passwd"/,
    },
    {
      name: 'a manifest.json of other things',
      bytes: entry({ Config: 1 }),
      message: /is not a list of images/,
    },
    {
      name: 'an archive of other things',
      bytes: tarOf([{ name: 'x', content: 'x' }]),
      message: /is no image archive/,
    },
    { name: 'an archive cut short', bytes: with_().subarray(0, 600), message: /cut short/ },
    {
      name: 'a negative size',
      bytes: tarOf([{ name: 'x', editHeader: (header) => header.fill(0xff, 124, 136) }]),
      message: /is no image archive/,
    },
    {
      name: 'a size of 2^80 bytes',
      bytes: tarOf([
        {
          name: 'x',
          editHeader: (header) => {
            header.fill(0, 124, 136);
            header[124] = 0x80;
            header[126] = 1;
          },
        },
      ]),
      message: /no valid tar header|cut short/,
    },
    { name: 'no bytes', bytes: Buffer.alloc(0), message: /holds no files/ },
    { name: 'only zeros', bytes: Buffer.alloc(10240), message: /holds no files/ },
    {
      name: 'an xz file',
      bytes: Buffer.from('fd377a585a000004', 'hex'),
      message: /is compressed with xz; expected gzip, zstd/,
    },
    {
      name: 'a gzip file cut short',
      bytes: gzipSync(with_()).subarray(0, 200),
      message: /gzip data cannot be inflated/,
    },
    {
      name: 'a zstd file with other bytes',
      bytes: Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(99, 7)]),
      message: /zstd data cannot be inflated/,
    },
    {
      name: 'a compressed archive in another',
      bytes: gzipSync(gzipSync(with_())),
      message: /is compressed with gzip/,
    },
    {
      name: 'a layer with other bytes',
      bytes: without(layer, {
        name: layer,
        content: Buffer.alloc(image.layers[0]?.bytes.length ?? 0, 'x'),
      }),
      code: 'DIGEST_MISMATCH',
      message: /layer 1\/1/,
    },
  ];
  for (const { name, bytes, code = 'IMAGE_INVALID', message } of rows) {
    it(`is refused, and the store stays as it was: ${name}`, async () => {
      using temp = tempEngine();
      const before = temp.files();
      for (const input of [
        written(join(temp.directory, 'x.tar'), bytes),
        { stream: inPieces(bytes, 1 << 20), label: 'standard input' },
      ]) {
        await assert.rejects(loadImages(temp.engine, input), engineError(code, message));
        assert.deepEqual(temp.engine.store.readReferences(), []);
      }
      await collectGarbage(temp.engine);
      assert.deepEqual(temp.files(), before);
    });
  }

  it('is refused when an image after the first is incomplete, before the first is stored', async () => {
    using temp = tempEngine();
    const path = writeDockerArchive(join(temp.directory, 'saved'), [
      { image: plain, repoTags: ['a:1'] },
      { image, repoTags: ['b:1'] },
    ]);
    execFileSync('tar', ['--delete', '-f', path, './1.json']);
    await assert.rejects(
      loadImages(temp.engine, { path }),
      engineError('IMAGE_INVALID', /has no file "1.json"/),
    );
    assert.deepEqual(temp.engine.store.readReferences(), []);
  });

  for (const [name, make, message] of [
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path]), /is not a file/],
    ['a directory', (path: string) => execFileSync('mkdir', [path]), /is not a file/],
    ['nothing', () => {}, /there is no file/],
  ] as const) {
    it(`is refused where the file is ${name}`, async () => {
      using temp = tempEngine();
      const path = join(temp.directory, 'x');
      make(path);
      const code = name === 'nothing' ? 'IMAGE_NOT_FOUND' : 'IMAGE_INVALID';
      await assert.rejects(loadImages(temp.engine, { path }), engineError(code, message));
    });
  }

  it('ends with the reason of the signal, and leaves nothing', async () => {
    using temp = tempEngine();
    const before = temp.files();
    const controller = new AbortController();
    const stream = (async function* () {
      yield tarOf(members).subarray(0, 1024);
      controller.abort(new Error('stop'));
      yield tarOf(members).subarray(1024);
    })();
    const input = { stream, label: 'standard input' };
    await assert.rejects(
      loadImages(temp.engine, input, { signal: controller.signal }),
      /^Error: stop$/,
    );
    assert.deepEqual(temp.files(), before);
  });

  it('is named by its file when it changed while it was read', async () => {
    using temp = tempEngine();
    const path = archiveFile(join(temp.directory, 'x.tar'), members);
    const whole = readFileSync(path);
    await assert.rejects(
      loadImages(
        temp.engine,
        { path },
        {
          onProgress: ({ type }) => type === 'resolved' && truncateSync(path, whole.length - 4096),
        },
      ),
      engineError('SIZE_MISMATCH', /layer 1\/1/),
    );
  });
});
