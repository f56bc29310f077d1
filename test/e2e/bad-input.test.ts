import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { busyboxImage, busyboxLayer } from '../support/busybox-image.ts';
import { filesBelow, NEEDS_ROOT } from '../support/e2e.ts';
import { type BuiltImage, buildImage } from '../support/image-builder.ts';
import { writeLayout } from '../support/layout-writer.ts';
import { CliHome } from '../support/run-cli.ts';
import { type TarEntrySpec, tarOf } from '../support/tar-builder.ts';

const layerOf = (...entries: TarEntrySpec[]): Buffer => tarOf(entries);
const imageOf = (...layers: Buffer[]): BuiltImage => buildImage({ layers });
const blobFile = (layoutDir: string, digest: string): string =>
  join(layoutDir, 'blobs', ...digest.split(':'));

interface Row {
  readonly name: string;
  readonly image: BuiltImage;
  /** Changes the layout after it was written. */
  readonly damage?: (layoutDir: string, image: BuiltImage) => void;
  readonly says: RegExp;
}

const sound = imageOf(layerOf({ name: 'file', content: 'x'.repeat(10_000) }));
const firstLayer = (image: BuiltImage): string => `${image.layers[0]?.descriptor.digest}`;

const ROWS: readonly Row[] = [
  {
    name: 'a layer cut short',
    image: sound,
    damage: (dir, image) => truncateSync(blobFile(dir, firstLayer(image)), 40),
    says: /layer 1\/1 .*(?:40|bytes)/,
  },
  {
    name: 'a layer with other bytes',
    image: sound,
    damage: (dir, image) => {
      const file = blobFile(dir, firstLayer(image));
      const bytes = readFileSync(file);
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 9) ^ 1, bytes.length - 9);
      writeFileSync(file, bytes);
    },
    says: /sha256:/,
  },
  {
    name: 'a layer longer than its descriptor',
    image: sound,
    damage: (dir, image) => writeFileSync(blobFile(dir, firstLayer(image)), 'more', { flag: 'a' }),
    says: /longer|bytes/,
  },
  {
    name: 'a layer with another diffID than the config says',
    image: buildImage({
      layers: [layerOf({ name: 'file' })],
      configFields: { rootfs: { type: 'layers', diff_ids: [`sha256:${'1'.repeat(64)}`] } },
    }),
    says: /sha256:1111/,
  },
  {
    name: 'a config with fewer diffIDs than layers',
    image: buildImage({
      layers: [layerOf({ name: 'file' })],
      configFields: { rootfs: { type: 'layers', diff_ids: [] } },
    }),
    says: /1 layers in its manifest but 0 in its config/,
  },
  {
    name: 'a name that leaves the root',
    image: imageOf(layerOf({ name: '../../outside' })),
    says: /outside/,
  },
  {
    name: 'a hard link to a path outside',
    image: imageOf(layerOf({ name: 'link', type: 'hardlink', link: '../../../etc/passwd' })),
    says: /link/,
  },
  {
    name: 'a hard link to nothing',
    image: imageOf(layerOf({ name: 'link', type: 'hardlink', link: 'no/such/file' })),
    says: /no\/such\/file/,
  },
  {
    name: 'an unknown entry type',
    image: imageOf(layerOf({ name: 'odd', type: 'Q' })),
    says: /odd/,
  },
  {
    name: 'a wrong header checksum',
    image: imageOf(layerOf({ name: 'file', checksum: 'wrong' })),
    says: /checksum/,
  },
  {
    name: 'a tar cut in the middle of a file',
    image: imageOf(layerOf({ name: 'file', content: 'x'.repeat(5000) }).subarray(0, 2048)),
    says: /layer 1\/1/,
  },
  {
    name: 'schema 1',
    image: buildImage({ layers: [], manifestFields: { schemaVersion: 1 } }),
    says: /schema/i,
  },
  {
    name: 'a manifest that is also an index',
    image: buildImage({ layers: [], manifestFields: { manifests: [] } }),
    says: /manifest/,
  },
  {
    name: 'a negative layer size',
    image: buildImage({
      layers: [],
      manifestFields: {
        layers: [
          {
            mediaType: 'application/vnd.oci.image.layer.v1.tar',
            digest: `sha256:${'2'.repeat(64)}`,
            size: -1,
          },
        ],
      },
    }),
    says: /size/,
  },
];

describe('bad images', NEEDS_ROOT, () => {
  let home: CliHome;
  let count = 0;

  before(async () => {
    home = new CliHome();
    const layoutDir = writeLayout(join(home.directory, 'busybox'), [{ image: busyboxImage() }]);
    await home.succeed(['fetch', '--quiet', `oci:${layoutDir}`]);
    await home.succeed(['image', 'gc']);
  });
  after(() => home[Symbol.asyncDispose]());

  function write({ image, damage }: Row): string {
    count += 1;
    const layoutDir = writeLayout(join(home.directory, `bad-${count}`), [{ image }]);
    damage?.(layoutDir, image);
    return layoutDir;
  }

  for (const row of ROWS) {
    it(`are refused in one sentence, and nothing of them stays: ${row.name}`, async () => {
      const earlier = filesBelow(home.dataDir);
      const source = `oci:${write(row)}`;
      const fetched = await home.run(['fetch', '--quiet', source]);
      assert.equal(fetched.status, 1, fetched.stderr);
      assert.equal(fetched.stdout, '');
      assert.match(
        fetched.stderr,
        /^dray: [^\n]+\n(?: {2}[^\n]+\n)?$/,
        'a sentence and perhaps a hint',
      );
      assert.match(fetched.stderr, row.says);
      const ran = await home.run(['run', '--rm', '--quiet', source, 'true']);
      assert.equal(ran.status, 125, ran.stderr);
      await home.succeed(['image', 'gc']);
      assert.deepEqual(filesBelow(home.dataDir), earlier);
    });
  }

  it('do not stand in the way of a good one', async () => {
    const layoutDir = writeLayout(join(home.directory, 'good'), [{ image: sound }]);
    await home.succeed(['fetch', '--quiet', `oci:${layoutDir}`]);
    await home.succeed(['image', 'rm', 'localhost/good']);
  });

  it('an archive that is none, a layout that is none, a file that is not there', async () => {
    const file = join(home.directory, 'garbage.tar');
    writeFileSync(file, 'this is no archive'.repeat(100));
    mkdirSync(join(home.directory, 'empty'));
    for (const source of [
      `oci-archive:${file}`,
      `docker-archive:${file}`,
      `oci:${home.directory}/empty`,
      `oci:${home.directory}/nowhere`,
    ]) {
      const result = await home.run(['fetch', '--quiet', source]);
      assert.equal(result.status, 1, source);
      assert.match(result.stderr, /^dray: [^\n]+\n(?: {2}[^\n]+\n)?$/, source);
    }
  });

  it('terminal control bytes of an image never reach the terminal', async () => {
    const image = busyboxImage({
      config: { Labels: { evil: '\x1b]0;owned\x07' } },
      configFields: { author: '\x1b[2J' },
    });
    const layoutDir = join(home.directory, 'evil');
    writeLayout(layoutDir, [{ image, refName: 'evil\x1b[31m' }]);
    const fetched = await home.run(['fetch', `oci:${layoutDir}`]);
    const outputs = [
      fetched,
      await home.run(['image', 'list']),
      await home.run(['image', 'inspect', image.imageId]),
    ];
    for (const { stdout, stderr } of outputs) assert.ok(!/[\x1b\x07]/.test(stdout + stderr));
    await home.succeed(['image', 'rm', image.imageId]);
  });
});

describe('hostile roots', NEEDS_ROOT, () => {
  for (const path of ['dev', 'proc', 'sys', 'dev/shm', 'dev/pts']) {
    it(`are refused before runc sees them: /${path} is a symlink`, async () => {
      await using home = new CliHome();
      const victim = join(home.directory, 'victim');
      mkdirSync(victim);
      writeFileSync(join(victim, 'ptmx'), 'keep');
      const name = path.split('/')[0] ?? '';
      const below = path.includes('/') ? [{ name, type: 'directory' }] : [];
      const layers = [
        busyboxLayer(),
        ...(path.includes('/') ? [] : [layerOf({ name: `.wh.${path}` })]),
        layerOf(...below, { name: path, type: 'symlink', link: victim }),
      ];
      const layoutDir = writeLayout(join(home.directory, 'hostile'), [
        { image: busyboxImage({ layers }) },
      ]);
      await home.succeed(['fetch', '--quiet', `oci:${layoutDir}`]);
      const earlier = filesBelow(victim);
      const result = await home.run(['run', '--rm', 'localhost/hostile', 'true']);
      assert.equal(result.status, 125, result.stderr);
      assert.match(result.stderr, new RegExp(`/${path}`));
      assert.deepEqual(filesBelow(victim), earlier);
    });
  }

  it('users are looked up in the image only, whatever its passwd links to', async () => {
    await using home = new CliHome();
    const secret = join(home.directory, 'passwd');
    writeFileSync(secret, 'leaked:x:4242:4242::/:/bin/sh\n');
    symlinkSync(secret, join(home.directory, 'link'));
    const layers = [busyboxLayer(), layerOf({ name: 'etc/passwd', type: 'symlink', link: secret })];
    const layoutDir = writeLayout(join(home.directory, 'linked'), [
      { image: busyboxImage({ layers }) },
    ]);
    await home.succeed(['fetch', '--quiet', `oci:${layoutDir}`]);
    const result = await home.run(['run', '--rm', '--user', 'leaked', 'localhost/linked', 'id']);
    assert.equal(result.status, 125, result.stdout);
    assert.match(result.stderr, /leaked/);
  });
});
