import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { busyboxImage } from '../support/busybox-image.ts';
import { DockerRegistry, pushWithSkopeo } from '../support/docker-registry.ts';
import { filesBelow, layoutImageId, NEEDS_ROOT, sizeBelow } from '../support/e2e.ts';
import { writeLayout } from '../support/layout-writer.ts';
import { type LayoutImage, realImage } from '../support/real-images.ts';
import { CliHome } from '../support/run-cli.ts';

describe('dray image', NEEDS_ROOT, () => {
  let registry: DockerRegistry;
  let busybox: LayoutImage;
  let layered: LayoutImage;
  let busyboxName: string;
  let layeredName: string;

  before(async () => {
    registry = await DockerRegistry.start();
    busybox = await realImage('busybox');
    layered = await realImage('layers-1');
    busyboxName = await pushWithSkopeo(busybox, { registry, name: 'busybox:1' }, { format: 'oci' });
    layeredName = await pushWithSkopeo(layered, { registry, name: 'layered:1' }, { format: 'oci' });
  });
  after(() => registry[Symbol.asyncDispose]());

  const shortId = (image: LayoutImage): string =>
    layoutImageId(image).slice(0, 'sha256-'.length + 12);
  const hex = (image: LayoutImage, digits: number): string =>
    layoutImageId(image).slice(7, 7 + digits);

  describe('list', () => {
    it('prints nothing but the legend, and [] as JSON, for an empty store', async () => {
      await using home = new CliHome();
      assert.match(
        await home.succeed(['image', 'list']),
        /^ID\s+NAME\s+SIZE\s+IMPORT TIME\s+LAST USED\s*\n$/,
      );
      assert.equal(await home.succeed(['image', 'list', '--no-legend']), '');
      assert.equal(await home.succeed(['image', 'list', '--json']), '[]\n');
    });

    it('prints images as rkt does, oldest import first', async () => {
      await using home = new CliHome();
      await home.succeed(['fetch', busyboxName]);
      await home.succeed(['fetch', layeredName]);
      const [legend, first, second, end] = (await home.succeed(['images'])).split('\n');
      assert.match(legend ?? '', /^ID\s+NAME\s+SIZE\s+IMPORT TIME\s+LAST USED/);
      const size = String.raw`\d+(?:\.\d+)?(?:KiB|MiB)`;
      assert.match(
        first ?? '',
        new RegExp(`^${shortId(busybox)}\\s+${busyboxName}\\s+${size}\\s+`),
      );
      assert.match(
        second ?? '',
        new RegExp(`^${shortId(layered)}\\s+${layeredName}\\s+${size}\\s+`),
      );
      assert.equal(end, '');
    });

    it('sorts, picks fields, shortens and lengthens', async () => {
      await using home = new CliHome();
      await home.succeed(['fetch', busyboxName, layeredName]);
      const names = ['image', 'list', '--fields', 'name', '--no-legend', '--sort', 'name'];
      assert.deepEqual((await home.succeed(names)).trim().split(/\s*\n/), [
        busyboxName,
        layeredName,
      ]);
      const reversed = await home.succeed([...names, '--order', 'desc']);
      assert.deepEqual(reversed.trim().split(/\s*\n/), [layeredName, busyboxName]);
      assert.match(
        await home.succeed(['image', 'list', '--full']),
        new RegExp(layoutImageId(busybox)),
      );
      assert.deepEqual(
        (await home.succeed(['image', 'list', '--quiet'])).trim().split('\n').toSorted(),
        [hex(busybox, 12), hex(layered, 12)].toSorted(),
      );
      const parsed = JSON.parse(await home.succeed(['image', 'list', '--json']));
      assert.equal(parsed.length, 2);
      assert.match(JSON.stringify(parsed), new RegExp(hex(busybox, 64)));
    });
  });

  describe('rm', () => {
    it('removes by name, id and prefix, each image once, and says so', async () => {
      await using home = new CliHome();
      await home.succeed(['fetch', busyboxName, layeredName]);
      const inputs = [busyboxName, hex(layered, 16), shortId(layered), layoutImageId(layered)];
      const result = await home.run(['image', 'rm', ...inputs]);
      assert.equal(result.status, 0, result.stderr);
      assert.deepEqual(result.stdout.trim().split('\n'), [
        `successfully removed image: "${layoutImageId(busybox)}"`,
        `successfully removed image: "${layoutImageId(layered)}"`,
      ]);
      assert.match(result.stderr, /^rm: 2 image\(s\) successfully removed$/m);
      assert.equal(await home.succeed(['image', 'list', '--json']), '[]\n');
    });

    it('removes the others when one is unknown, and fails', async () => {
      await using home = new CliHome();
      await home.succeed(['fetch', busyboxName]);
      const result = await home.run(['rmi', 'no/such:image', busyboxName]);
      assert.equal(result.status, 1);
      assert.match(result.stderr, /no\/such:image/);
      assert.match(result.stdout, /^successfully removed image: /);
      assert.equal(await home.succeed(['image', 'list', '--json']), '[]\n');
    });

    it('takes the name first from an image with several names', async () => {
      await using home = new CliHome();
      const second = await pushWithSkopeo(busybox, { registry, name: 'twin:1' }, { format: 'oci' });
      await home.succeed(['fetch', busyboxName, second]);
      assert.equal((await home.run(['image', 'rm', second])).status, 0);
      assert.equal(await home.succeed(['run', '--rm', busyboxName, 'echo', 'alive']), 'alive\n');
      assert.equal((await home.run(['image', 'rm', busyboxName])).status, 0);
      assert.equal(await home.succeed(['image', 'list', '--json']), '[]\n');
    });

    it('gives the disk back at once', async () => {
      await using home = new CliHome();
      await home.succeed(['fetch', busyboxName]);
      const earlier = sizeBelow(home.dataDir);
      await home.succeed(['fetch', layeredName]);
      assert.ok(sizeBelow(home.dataDir) > earlier + 1_000_000);
      await home.succeed(['image', 'rm', layeredName]);
      assert.equal(sizeBelow(home.dataDir), earlier);
    });

    it('leaves a running container its root', async () => {
      await using home = new CliHome();
      await home.succeed(['fetch', busyboxName]);
      const command = 'echo started; read line; cat /etc/passwd; ls /bin | wc -l';
      const running = home.start(['run', '--rm', '-i', busyboxName, 'sh', '-c', command], {
        stdin: 'open',
      });
      await until(() => running.output().includes('started'));
      await home.succeed(['image', 'rm', busyboxName]);
      await home.succeed(['image', 'gc']);
      running.child.stdin?.end('go\n');
      const result = await running.exited;
      assert.equal(result.status, 0, result.stderr);
      assert.match(result.stdout, /^app:x:1000/m);
      await home.succeed(['image', 'gc']);
    });
  });

  describe('gc', () => {
    it('removes what nothing needs and keeps what something does', async () => {
      await using home = new CliHome();
      await home.succeed(['fetch', busyboxName]);
      await home.succeed(['image', 'gc']);
      const kept = filesBelow(home.dataDir);
      const stray = '0'.repeat(64);
      const strays = [
        `blobs/sha256/${stray}`,
        `layers/sha256/${stray}.data`,
        `layers/sha256/${stray}.index`,
        `rootfs/sha256/${stray}.erofs`,
        `images/sha256-${stray}.json`,
        `ingest/sha256-${stray}.blob`,
      ];
      for (const path of strays) writeFileSync(join(home.dataDir, path), 'nobody needs this');
      await home.succeed(['image', 'gc']);
      assert.deepEqual(filesBelow(home.dataDir), kept);
      assert.equal(await home.succeed(['run', '--rm', busyboxName, 'echo', 'alive']), 'alive\n');
    });
  });

  describe('verify', () => {
    it('finds nothing wrong with a fresh image', async () => {
      await using home = new CliHome();
      await home.succeed(['fetch', busyboxName, layeredName]);
      await home.succeed(['image', 'verify']);
      await home.succeed(['image', 'verify', busyboxName]);
    });

    const damages: readonly { name: string; damage: (dataDir: string) => void }[] = [
      {
        name: 'a flipped byte in a layer data file',
        damage: (dir) => flip(onlyFile(join(dir, 'layers/sha256'), '.data'), 8192),
      },
      {
        name: 'a layer data file cut short',
        damage: (dir) => truncateSync(onlyFile(join(dir, 'layers/sha256'), '.data'), 4096),
      },
      {
        name: 'a missing layer data file',
        damage: (dir) => unlinkSync(onlyFile(join(dir, 'layers/sha256'), '.data')),
      },
      {
        name: 'a flipped byte in a layer index',
        damage: (dir) => flip(onlyFile(join(dir, 'layers/sha256'), '.index'), 100),
      },
      {
        name: 'a missing layer index',
        damage: (dir) => unlinkSync(onlyFile(join(dir, 'layers/sha256'), '.index')),
      },
      {
        name: 'a flipped byte in the rootfs image',
        damage: (dir) => flip(onlyFile(join(dir, 'rootfs/sha256'), '.erofs'), 1024 + 16),
      },
      {
        name: 'a missing rootfs image',
        damage: (dir) => unlinkSync(onlyFile(join(dir, 'rootfs/sha256'), '.erofs')),
      },
      {
        name: 'a missing image summary',
        damage: (dir) => unlinkSync(onlyFile(join(dir, 'images'), '.json')),
      },
    ];
    for (const { name, damage } of damages) {
      it(`makes anew, without the network: ${name}`, async () => {
        await using home = new CliHome();
        await home.succeed(['fetch', `oci:${busybox.layoutDir}`]);
        damage(home.dataDir);
        const found = await home.run(['image', 'verify']);
        assert.notEqual(`${found.stdout}${found.stderr}`, '', 'the damage is reported');
        await home.succeed(['image', 'verify']);
        const id = layoutImageId(busybox);
        assert.equal(
          await home.succeed(['run', '--rm', '--pull', 'never', id, 'echo', 'ok']),
          'ok\n',
        );
      });
    }

    it('reports a damaged blob, which the next fetch heals', async () => {
      await using home = new CliHome();
      await home.succeed(['fetch', busyboxName]);
      const blobs = readdirSync(join(home.dataDir, 'blobs/sha256')).map((n) =>
        join(home.dataDir, 'blobs/sha256', n),
      );
      const biggest = blobs.toSorted((a, b) => statSync(b).size - statSync(a).size)[0] ?? '';
      flip(biggest, 1000);
      const found = await home.run(['image', 'verify']);
      assert.equal(found.status, 1);
      assert.match(`${found.stdout}${found.stderr}`, /sha256:[0-9a-f]{12}/);
      await home.succeed(['fetch', busyboxName]);
      await home.succeed(['image', 'verify']);
    });
  });

  it('inspect prints config and manifest as JSON', async () => {
    await using home = new CliHome();
    await home.succeed(['fetch', busyboxName]);
    const text = await home.succeed(['image', 'inspect', busyboxName]);
    const inspected = JSON.stringify(JSON.parse(text));
    assert.match(inspected, /"diff_ids":\["sha256:/);
    assert.match(inspected, /"layers":\[\{"mediaType":"application\/vnd\.oci\.image\.layer/);
    const missing = await home.run(['image', 'inspect', 'no/such']);
    assert.equal(missing.status, 1);
  });

  it('export writes what tar can read, to a file and to standard output', async () => {
    await using home = new CliHome();
    await home.succeed(['fetch', busyboxName]);
    const file = join(home.directory, 'root.tar');
    await home.succeed(['image', 'export', busyboxName, file]);
    const listed = execFileSync('tar', ['-tf', file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    assert.match(listed, /(?:^|\/)bin\/busybox$/m);
    const streamed = await home.run(['image', 'export', busyboxName, '-']);
    assert.equal(streamed.status, 0);
    assert.deepEqual(readFileSync(file), streamed.stdoutBytes);
  });

  it('an image that only a hand-written layout holds is listed, run and removed', async () => {
    await using home = new CliHome();
    const layoutDir = writeLayout(join(home.directory, 'small'), [{ image: busyboxImage() }]);
    await home.succeed(['fetch', `oci:${layoutDir}`]);
    assert.match(await home.succeed(['image', 'list']), /localhost\/small:latest/);
    assert.equal(
      await home.succeed(['run', '--rm', 'localhost/small', 'echo', 'small']),
      'small\n',
    );
    await home.succeed(['image', 'rm', 'localhost/small']);
    assert.ok(existsSync(home.dataDir));
  });
});

function onlyFile(directory: string, suffix: string): string {
  const [name, ...others] = readdirSync(directory).filter((entry) => entry.endsWith(suffix));
  assert.ok(name !== undefined && others.length === 0, `one ${suffix} file in ${directory}`);
  return join(directory, name);
}

function flip(file: string, position: number): void {
  const at = Math.min(position, statSync(file).size - 1);
  execFileSync('chmod', ['u+w', file]);
  const before = execFileSync('dd', [`if=${file}`, 'bs=1', `skip=${at}`, 'count=1', 'status=none']);
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, Buffer.from([(before[0] ?? 0) ^ 0xff]), 0, 1, at);
  closeSync(descriptor);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
