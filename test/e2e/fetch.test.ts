import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DockerRegistry, pushWithSkopeo, skopeoCopy } from '../support/docker-registry.ts';
import { layoutImageId, layoutManifest, NEEDS_ROOT } from '../support/e2e.ts';
import { type LayoutImage, realImage } from '../support/real-images.ts';
import { CliHome } from '../support/run-cli.ts';

const HEX = /^sha256-[0-9a-f]{64}\n$/;

describe('dray fetch from a real registry', NEEDS_ROOT, () => {
  let registry: DockerRegistry;
  let busybox: LayoutImage;
  let imageId: string;
  let reference: string;

  before(async () => {
    registry = await DockerRegistry.start();
    busybox = await realImage('busybox');
    imageId = layoutImageId(busybox);
    reference = await pushWithSkopeo(
      busybox,
      { registry, name: 'library/busybox:1' },
      { format: 'oci' },
    );
  });
  after(() => registry[Symbol.asyncDispose]());

  const pushes = [
    { name: 'OCI, gzip', format: 'oci', compression: 'gzip' },
    { name: 'OCI, zstd', format: 'oci', compression: 'zstd' },
    { name: 'OCI, not compressed', format: 'oci', compression: 'none' },
    { name: 'Docker schema 2, gzip', format: 'v2s2', compression: 'gzip' },
    { name: 'Docker schema 2, not compressed', format: 'v2s2', compression: 'none' },
  ] as const;
  for (const { name, ...options } of pushes) {
    it(`prints the image id and runs the image: ${name}`, async () => {
      await using home = new CliHome();
      const target = { registry, name: `pushed/${options.format}:${options.compression}` };
      const pushed = await pushWithSkopeo(busybox, target, options);
      assert.equal(await home.succeed(['fetch', pushed]), `${imageId}\n`);
      const command = ['run', '--rm', '--network', 'none', pushed, 'cat', '/etc/group'];
      assert.match(await home.succeed(command), /^app:x:1000:$/m);
      assert.equal((await home.run(['image', 'verify'])).status, 0);
    });
  }

  it('takes a digest, a tag with a digest, and a docker:// prefix', async () => {
    await using home = new CliHome();
    const inspected = execFileSync(
      'skopeo',
      ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${reference}`],
      { encoding: 'utf8' },
    ).trim();
    const repository = reference.slice(0, reference.lastIndexOf(':'));
    for (const source of [
      `${repository}@${inspected}`,
      `${repository}:gone@${inspected}`,
      `docker://${reference}`,
    ]) {
      assert.equal(await home.succeed(['fetch', source]), `${imageId}\n`, source);
    }
  });

  it('asks for one HEAD and nothing else when nothing changed', async () => {
    await using home = new CliHome();
    await home.succeed(['fetch', reference]);
    const earlier = registry.requests().length;
    assert.equal(await home.succeed(['fetch', reference]), `${imageId}\n`);
    const requests = registry.requests().slice(earlier);
    assert.deepEqual(
      requests.filter(({ path }) => path !== '/v2/').map(({ method }) => method),
      ['HEAD'],
      JSON.stringify(requests),
    );
  });

  it('asks nothing with --pull-policy new when the image is there', async () => {
    await using home = new CliHome();
    await home.succeed(['fetch', reference]);
    const earlier = registry.requests().length;
    await home.succeed(['fetch', '--pull-policy', 'new', reference]);
    assert.equal(registry.requests().length, earlier);
  });

  it('asks nothing with --pull-policy never, and fails when the image is missing', async () => {
    await using home = new CliHome();
    const earlier = registry.requests().length;
    const result = await home.run(['fetch', '--pull-policy', 'never', reference]);
    assert.equal(result.status, 1);
    assert.equal(result.stdout, '');
    assert.match(result.stderr, /^dray: .*library\/busybox:1/);
    assert.equal(registry.requests().length, earlier);
  });

  it('follows a tag that moved', async () => {
    await using home = new CliHome();
    const moving = { registry, name: 'moving:latest' };
    const first = await pushWithSkopeo(busybox, moving, { format: 'oci' });
    await home.succeed(['fetch', first]);
    const other = await realImage('layers-1');
    await pushWithSkopeo(other, moving, { format: 'oci' });
    assert.equal(await home.succeed(['fetch', first]), `${layoutImageId(other)}\n`);
    const ids = (await home.succeed(['image', 'list', '--full', '--no-legend'])).split('\n');
    assert.equal(ids.filter((line) => line.includes('moving')).length, 1, ids.join('\n'));
  });

  it('prints one id per image, in the order asked for', async () => {
    await using home = new CliHome();
    const other = await realImage('layers-1');
    const second = await pushWithSkopeo(other, { registry, name: 'other:1' }, { format: 'oci' });
    const output = await home.succeed(['pull', second, reference]);
    assert.equal(output, `${layoutImageId(other)}\n${imageId}\n`);
  });

  it('writes plain lines to a pipe, and nothing with --quiet', async () => {
    await using home = new CliHome();
    const loud = await home.run(['fetch', reference]);
    assert.equal(loud.status, 0);
    assert.match(loud.stdout, HEX);
    assert.match(loud.stderr, /\n$/);
    assert.ok(!loud.stderr.includes('\x1b') && !loud.stderr.includes('\r'), loud.stderr);
    const other = await realImage('layers-1');
    const second = await pushWithSkopeo(other, { registry, name: 'quiet:1' }, { format: 'oci' });
    const quiet = await home.run(['fetch', '--quiet', second]);
    assert.equal(quiet.status, 0);
    assert.equal(quiet.stderr, '');
  });

  it('says in one sentence that there is no such image', async () => {
    await using home = new CliHome();
    const result = await home.run(['fetch', `${registry.host}/no/such:image`]);
    assert.equal(result.status, 1);
    assert.equal(result.stdout, '');
    assert.match(result.stderr, /^dray: [^\n]*no\/such/m);
    assert.doesNotMatch(result.stderr, /\n\s+at /, 'no stack');
    assert.equal(await home.succeed(['image', 'list', '--json']), '[]\n');
  });

  it('keeps a store that skopeo and umoci read as it stands', async () => {
    await using home = new CliHome();
    await home.succeed(['fetch', reference]);
    const tags = execFileSync('umoci', ['list', '--layout', home.dataDir], { encoding: 'utf8' });
    assert.match(tags, /busybox/);
    const copy = join(home.directory, 'copy');
    await skopeoCopy([`oci:${home.dataDir}:${tags.trim()}`, `dir:${copy}`]);
  });
});

describe('dray fetch from files', NEEDS_ROOT, () => {
  it('takes a layout, with and without its tag', async () => {
    await using home = new CliHome();
    const image = await realImage('busybox');
    const expected = `${layoutImageId(image)}\n`;
    assert.equal(await home.succeed(['fetch', `oci:${image.layoutDir}`]), expected);
    assert.equal(await home.succeed(['fetch', `oci:${image.layoutDir}:${image.tag}`]), expected);
    const missing = await home.run(['fetch', `oci:${image.layoutDir}:nothere`]);
    assert.equal(missing.status, 1);
    assert.match(missing.stderr, /nothere/);
  });

  for (const transport of ['oci-archive', 'docker-archive'] as const) {
    it(`takes what skopeo writes as ${transport}`, async () => {
      await using home = new CliHome();
      const image = await realImage('busybox');
      const file = join(home.directory, 'image.tar');
      const source = `oci:${image.layoutDir}:${image.tag}`;
      await skopeoCopy([source, `${transport}:${file}:example/busybox:1`]);
      assert.equal(
        await home.succeed(['fetch', `${transport}:${file}`]),
        `${layoutImageId(image)}\n`,
      );
      const id = layoutImageId(image);
      assert.equal(
        await home.succeed(['run', '--rm', id, 'echo', 'from', 'a', 'file']),
        'from a file\n',
      );
      assert.equal((await home.run(['image', 'verify'])).status, 0);
    });
  }

  it('takes an image of 100 layers', async () => {
    await using home = new CliHome();
    const image = await realImage('layers-100');
    assert.equal(layoutManifest(image).layers.length, 100);
    await home.succeed(['fetch', `oci:${image.layoutDir}`]);
    const command = 'cat /etc/newest-layer; find /srv -type f | wc -l';
    const output = await home.succeed(['run', '--rm', layoutImageId(image), 'sh', '-c', command]);
    assert.equal(output, '100\n5000\n');
  });
});
