import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { EngineError, type ErrorCode } from '../../../src/core/errors.ts';
import { collectGarbage } from '../../../src/core/operations/collect-garbage.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import { listImages } from '../../../src/core/operations/list-images.ts';
import { buildImage } from '../../support/image-builder.ts';
import { tarDirectory, writeDockerArchive, writeLayout } from '../../support/layout-writer.ts';
import { tarOf } from '../../support/tar-builder.ts';
import { tempEngine } from '../../support/temp-engine.ts';

const tree = tarOf([{ name: 'hello', content: 'hello\n' }]);
const other = tarOf([{ name: 'other', content: 'other\n' }]);
const image = buildImage({ layers: [tree] });
const second = buildImage({ layers: [tree, other], compression: 'zstd' });
const plain = buildImage({ layers: [tree, other], compression: 'none', mediaTypes: 'docker' });
const update = { pullPolicy: 'update' } as const;

/** Puts a FIFO where `path` is. Nobody ever writes to it, so opening it to read waits for ever. */
function makeFifo(path: string): string {
  rmSync(path, { force: true });
  execFileSync('mkfifo', [path]);
  return path;
}

async function fails(work: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof EngineError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}

describe('fetch from files', () => {
  const references = [
    {
      name: 'the only image, without a tag',
      tag: '',
      refName: undefined,
      is: 'localhost/lay-out:latest',
    },
    { name: 'a bare tag', tag: ':v1', refName: 'v1', is: 'localhost/lay-out:v1' },
    { name: 'a full name', tag: ':app:v2', refName: 'app:v2', is: 'docker.io/library/app:v2' },
    { name: 'the tag of a full name', tag: ':v2', refName: 'reg.lan/app:v2', is: 'reg.lan/app:v2' },
    { name: 'an annotation that is no reference', tag: '', refName: '../../x', is: undefined },
  ];
  for (const { name, tag, refName, is } of references) {
    it(`reads a layout and names the image: ${name}`, async () => {
      using temp = tempEngine();
      const entry = refName === undefined ? { image } : { image, refName };
      const layout = writeLayout(join(temp.directory, 'Lay_Out'), [entry]);
      const fetched = await fetchImage(temp.engine, `oci:${layout}${tag}`, update);
      assert.equal(fetched.imageId, image.imageId);
      assert.equal(fetched.reference, is);
      assert.equal(listImages(temp.engine)[0]?.reference, is);
    });
  }

  it('reads an OCI archive as it reads the layout in it', async () => {
    using temp = tempEngine();
    const layout = writeLayout(join(temp.directory, 'layout'), [{ image: second, refName: 'v1' }]);
    const archive = tarDirectory(layout, join(temp.directory, 'app.tar'));
    const fetched = await fetchImage(temp.engine, `oci-archive:${archive}`, update);
    assert.equal(fetched.imageId, second.imageId);
    assert.equal(fetched.reference, 'localhost/app:v1');
  });

  for (const [name, built] of [
    ['plain', plain],
    ['gzip', image],
  ] as const) {
    it(`reads a docker archive with ${name} layers`, async () => {
      using temp = tempEngine();
      const archive = writeDockerArchive(join(temp.directory, 'saved'), [
        { image: built, repoTags: ['app:v3'] },
      ]);
      const fetched = await fetchImage(temp.engine, `docker-archive:${archive}`, update);
      assert.equal(fetched.imageId, built.imageId);
      assert.equal(fetched.reference, 'docker.io/library/app:v3');
      const again = await fetchImage(temp.engine, `docker-archive:${archive}`, update);
      assert.equal(again.imageId, built.imageId);
      assert.equal(listImages(temp.engine).length, 1);
    });
  }

  it('picks one of several images of an archive by its name', async () => {
    using temp = tempEngine();
    const archive = writeDockerArchive(join(temp.directory, 'saved'), [
      { image: plain, repoTags: ['a:1'] },
      { image: buildImage({ layers: [other], compression: 'none' }), repoTags: ['b:1', 'b:2'] },
    ]);
    const fetched = await fetchImage(temp.engine, `docker-archive:${archive}:b:2`, update);
    assert.equal(fetched.reference, 'docker.io/library/b:2');
    await fails(
      fetchImage(temp.engine, `docker-archive:${archive}`, update),
      'IMAGE_AMBIGUOUS',
      /holds 2 images: "a:1", "b:1", "b:2"/,
    );
    await fails(
      fetchImage(temp.engine, `docker-archive:${archive}:c:1`, update),
      'IMAGE_NOT_FOUND',
      /no image "c:1"/,
    );
  });
});

describe('fetch from files again', () => {
  const sources: { name: string; prepare: (directory: string) => string }[] = [
    {
      name: 'a layout',
      prepare: (directory) =>
        `oci:${writeLayout(join(directory, 'app'), [{ image, refName: 'v1' }])}`,
    },
    {
      name: 'a layout whose image stays nameless',
      prepare: (directory) =>
        `oci:${writeLayout(join(directory, 'app'), [{ image, refName: '../../x' }])}`,
    },
    {
      name: 'an OCI archive',
      prepare: (directory) => {
        const layout = writeLayout(join(directory, 'app'), [{ image, refName: 'v1' }]);
        return `oci-archive:${tarDirectory(layout, join(directory, 'app.tar'))}`;
      },
    },
    {
      name: 'a docker archive',
      prepare: (directory) =>
        `docker-archive:${writeDockerArchive(join(directory, 'app'), [{ image, repoTags: ['app:v1'] }])}`,
    },
  ];
  for (const { name, prepare } of sources) {
    it(`changes nothing, whatever the pull policy: ${name}`, async () => {
      using temp = tempEngine();
      const source = prepare(temp.directory);
      // There is no network in it, so "never" reads files, too.
      const first = await fetchImage(temp.engine, source, { pullPolicy: 'never' });
      assert.equal(first.changed, true);
      const before = temp.engine.store.readReferences();
      for (const pullPolicy of ['new', 'update', 'never'] as const) {
        const again = await fetchImage(temp.engine, source, { pullPolicy });
        assert.deepEqual(again, { ...first, changed: false });
      }
      assert.deepEqual(temp.engine.store.readReferences(), before);
    });
  }

  it('takes the image that the files hold now', async () => {
    for (const pullPolicy of ['new', 'update', 'never'] as const) {
      using temp = tempEngine();
      const directory = join(temp.directory, 'app');
      const source = `oci:${directory}:v1`;
      writeLayout(directory, [{ image, refName: 'v1' }]);
      await fetchImage(temp.engine, source, update);
      writeLayout(directory, [{ image: second, refName: 'v1' }]);
      const fetched = await fetchImage(temp.engine, source, { pullPolicy });
      assert.deepEqual([fetched.imageId, fetched.changed], [second.imageId, true]);
    }
  });

  it('restores an image of which a blob is gone', async () => {
    using temp = tempEngine();
    const layout = writeLayout(join(temp.directory, 'app'), [{ image, refName: 'v1' }]);
    await fetchImage(temp.engine, `oci:${layout}`, update);
    const hex = image.imageId.replace(/^sha256:/, '');
    rmSync(join(temp.engine.settings.dataDir, 'blobs/sha256', hex));
    assert.equal((await fetchImage(temp.engine, `oci:${layout}`, update)).changed, true);
  });

  it('does not ask a registry when the pull policy is never', async () => {
    using temp = tempEngine();
    await fails(
      fetchImage(temp.engine, 'registry.invalid/x', { pullPolicy: 'never' }),
      'IMAGE_NOT_FOUND',
      /is not in the store/,
    );
  });
});

describe('fetch from files that are not right', () => {
  const rows: {
    name: string;
    code: ErrorCode;
    message: RegExp;
    prepare: (directory: string) => string;
  }[] = [
    {
      name: 'a layout that is not there',
      code: 'IMAGE_INVALID',
      message: /is not an OCI image layout/,
      prepare: (directory) => `oci:${join(directory, 'nothing')}`,
    },
    {
      name: 'an archive that is not there',
      code: 'IMAGE_NOT_FOUND',
      message: /there is no archive/,
      prepare: (directory) => `oci-archive:${join(directory, 'nothing.tar')}`,
    },
    {
      name: 'a FIFO as an OCI archive',
      code: 'IMAGE_INVALID',
      message: /fifo\.tar" is not a file/,
      prepare: (directory) => `oci-archive:${makeFifo(join(directory, 'fifo.tar'))}`,
    },
    {
      name: 'a FIFO as a docker archive',
      code: 'IMAGE_INVALID',
      message: /fifo\.tar" is not a file/,
      prepare: (directory) => `docker-archive:${makeFifo(join(directory, 'fifo.tar'))}`,
    },
    {
      name: 'a layout whose index is a FIFO',
      code: 'IMAGE_INVALID',
      message: /index\.json" is not a file/,
      prepare: (directory) => {
        const layout = writeLayout(join(directory, 'layout'), [{ image }]);
        makeFifo(join(layout, 'index.json'));
        return `oci:${layout}`;
      },
    },
    {
      name: 'a layout whose layer is a FIFO',
      code: 'IMAGE_INVALID',
      message: /blobs\/sha256\/[0-9a-f]{64}" is not a file/,
      prepare: (directory) => {
        const layout = writeLayout(join(directory, 'layout'), [{ image }]);
        const layer = image.layers[0];
        assert.ok(layer);
        makeFifo(join(layout, 'blobs/sha256', layer.descriptor.digest.slice(7)));
        return `oci:${layout}`;
      },
    },
    {
      name: 'a directory as an archive',
      code: 'IMAGE_INVALID',
      message: /is not a file/,
      prepare: (directory) => `docker-archive:${directory}`,
    },
    {
      name: 'an archive that is compressed',
      code: 'IMAGE_INVALID',
      message: /is compressed with gzip/,
      prepare: (directory) => {
        const layout = writeLayout(join(directory, 'layout'), [{ image }]);
        const file = tarDirectory(layout, join(directory, 'app.tar'));
        writeFileSync(file, gzipSync(readFileSync(file)));
        return `oci-archive:${file}`;
      },
    },
    {
      name: 'an archive that is cut short',
      code: 'IMAGE_INVALID',
      message: /cut short inside its member/,
      prepare: (directory) => {
        const saved = writeDockerArchive(join(directory, 'saved'), [
          { image: plain, repoTags: ['a:1'] },
        ]);
        truncateSync(saved, 1024);
        return `docker-archive:${saved}`;
      },
    },
    {
      name: 'a text file as an archive',
      code: 'IMAGE_INVALID',
      message: /no valid tar header at byte 0/,
      prepare: (directory) => {
        writeFileSync(join(directory, 'x.tar'), 'this is no tar\n'.repeat(100));
        return `oci-archive:${join(directory, 'x.tar')}`;
      },
    },
    {
      name: 'a layout whose layer has other bytes',
      code: 'DIGEST_MISMATCH',
      message: /layer 1\/1 sha256:/,
      prepare: (directory) => {
        const layout = writeLayout(join(directory, 'layout'), [{ image }]);
        const layer = image.layers[0];
        assert.ok(layer);
        const wrong = Buffer.from(layer.bytes);
        wrong.writeUInt8(wrong.readUInt8(wrong.length - 1) ^ 1, wrong.length - 1);
        writeFileSync(join(layout, 'blobs/sha256', layer.descriptor.digest.slice(7)), wrong);
        return `oci:${layout}`;
      },
    },
    {
      name: 'a layout without a tag of that name',
      code: 'IMAGE_NOT_FOUND',
      message: /no image tagged "v9"; it has "v1"/,
      prepare: (directory) =>
        `oci:${writeLayout(join(directory, 'layout'), [{ image, refName: 'v1' }])}:v9`,
    },
  ];
  for (const { name, code, message, prepare } of rows) {
    it(`refuses ${name} and leaves nothing that gc does not remove`, async () => {
      using temp = tempEngine();
      const inputs = join(temp.directory, 'inputs');
      mkdirSync(inputs);
      const before = temp.files();
      await fails(fetchImage(temp.engine, prepare(inputs), update), code, message);
      assert.deepEqual(listImages(temp.engine), []);
      await collectGarbage(temp.engine);
      assert.deepEqual(temp.files(), before);
    });
  }
});
