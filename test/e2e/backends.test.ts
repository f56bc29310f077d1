import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { layoutImageId, NEEDS_ROOT } from '../support/e2e.ts';
import { LoopExt4 } from '../support/loop-ext4.ts';
import { type LayoutImage, realImage } from '../support/real-images.ts';
import { CliHome } from '../support/run-cli.ts';

/**
 * One line per path of a tree: name, type, mode, owner, size of files, link target, links, time.
 * find itself runs inside the tree, so that absolute links mean the same everywhere.
 */
const LISTING = String.raw`find . -xdev -not -path './proc/*' -not -path './sys/*' -not -path './dev/*' -not -path './etc/hosts' -not -path './etc/hostname' -not -path './etc/resolv.conf' -printf '%P %y %#m %U:%G %l %T@ ' \( -type f -printf '%s %n' -o -true \) -printf '\n'`;

/** The mount points of a running container have attributes of their own. */
const MOUNTED = /^(?:dev|proc|sys|etc|) /;

/** How umoci unpacked the image, into a file system of its own: it asks nothing of dray. */
function unpackedListing(image: LayoutImage, directory: string): string[] {
  const bundle = join(directory, 'bundle');
  execFileSync('umoci', ['unpack', '--image', `${image.layoutDir}:${image.tag}`, bundle], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const listing = execFileSync('sh', ['-c', LISTING], {
    cwd: join(bundle, 'rootfs'),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  return sorted(listing);
}

function sorted(listing: string): string[] {
  return listing
    .split('\n')
    .filter((line) => line !== '' && !MOUNTED.test(line))
    .toSorted();
}

describe('a real Debian on each root file system back-end', NEEDS_ROOT, () => {
  let disk: LoopExt4;
  let home: CliHome;
  let imageId: string;
  let expected: string[];

  before(async () => {
    disk = LoopExt4.create({ sizeMiB: 2048 });
    const image = await realImage('debian');
    imageId = layoutImageId(image);
    expected = unpackedListing(image, disk.mountPoint);
    home = new CliHome(disk.mountPoint);
    await home.succeed(['fetch', '--quiet', `oci:${image.layoutDir}`]);
  });
  after(async () => {
    await home[Symbol.asyncDispose]();
    disk[Symbol.dispose]();
  });

  for (const backend of ['erofs', 'erofs-loop', 'directory']) {
    const run = (...words: string[]): Promise<string> =>
      home.succeed(['--rootfs-backend', backend, 'run', '--rm', ...words]);

    it(`${backend}: shows the tree that umoci unpacks`, async () => {
      const listing = await run('-w', '/', imageId, 'sh', '-c', LISTING);
      assert.ok(expected.length > 5000, 'the oracle has seen a whole Debian');
      assert.deepEqual(sorted(listing), expected);
    });

    it(`${backend}: runs Debian's own tools`, async () => {
      const command =
        'dpkg --audit && dpkg -l | grep -c ^ii && perl -e "print 6*7" && su nobody -s /bin/sh -c id';
      const printed = await run(imageId, 'sh', '-c', command);
      assert.match(printed, /^\d+\n42uid=65534\(nobody\)/);
    });

    it(`${backend}: takes writes, removals and renames, and forgets them`, async () => {
      const command =
        'rm -r /usr/share/doc && mv /etc/debian_version /etc/renamed && echo x >> /etc/passwd && cat /etc/renamed && ls /usr/share | grep -c ^doc$';
      const changed = await home.run([
        '--rootfs-backend',
        backend,
        'run',
        '--rm',
        imageId,
        'sh',
        '-c',
        command,
      ]);
      assert.match(changed.stdout, /^12\.\d+\n0\n$/);
      assert.match(await run(imageId, 'cat', '/etc/debian_version'), /^12\.\d+\n$/);
    });
  }

  it('image verify and gc agree with all of them', async () => {
    await home.succeed(['image', 'gc']);
    await home.succeed(['image', 'verify']);
  });
});

describe('a store on a tmpfs', NEEDS_ROOT, () => {
  it('finds a back-end that works there', async () => {
    const parentDir = mkdtempSync('/dev/shm/dray-memory-');
    try {
      await using home = new CliHome(parentDir);
      const image = await realImage('busybox');
      await home.succeed(['fetch', '--quiet', `oci:${image.layoutDir}`]);
      assert.equal(await home.succeed(['run', '--rm', layoutImageId(image), 'echo', 'ok']), 'ok\n');
      const info = JSON.parse(await home.succeed(['info', '--json']));
      assert.match(JSON.stringify(info), /erofs-loop|directory/);
    } finally {
      rmSync(parentDir, { recursive: true, force: true });
    }
  });

  it('works below a directory with a comma, a colon, a space and a backslash in its name', async () => {
    const parentDir = mkdtempSync('/tmp/dray-odd-');
    const odd = join(parentDir, 'a,b:c d\\e');
    mkdirSync(odd);
    try {
      for (const backend of ['erofs', 'erofs-loop', 'directory']) {
        await using home = new CliHome(odd);
        const image = await realImage('busybox');
        await home.succeed(['fetch', '--quiet', `oci:${image.layoutDir}`]);
        const run = [
          '--rootfs-backend',
          backend,
          'run',
          '--rm',
          layoutImageId(image),
          'echo',
          backend,
        ];
        assert.equal(await home.succeed(run), `${backend}\n`);
      }
    } finally {
      rmSync(parentDir, { recursive: true, force: true });
    }
  });
});
