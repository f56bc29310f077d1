import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import { chooseDevices } from '../../../src/core/runtime/devices.ts';
import type { MountRequest } from '../../../src/core/runtime/run-options.ts';
import { prepareVolume } from '../../../src/core/runtime/volume-directory.ts';
import { prepareMounts } from '../../../src/core/runtime/volumes.ts';
import { cannotRunContainers, outputOf, runToEnd, ScratchDirectory } from './container-fixture.ts';
import { type RootEntry, TestRoot } from './root-fixture.ts';

const BIND = {
  type: 'bind',
  destination: '/data',
  readOnly: false,
  createSource: true,
  recursive: true,
  propagation: 'rprivate',
} as const;
const VOLUME = { type: 'volume', destination: '/data', readOnly: false, copyUp: true } as const;

async function mountsOf(
  requests: readonly MountRequest[],
  {
    entries = {},
    volumes = [],
    readOnlyRoot = false,
  }: { entries?: Record<string, RootEntry>; volumes?: string[]; readOnlyRoot?: boolean },
  look: (root: TestRoot, mounts: Awaited<ReturnType<typeof prepareMounts>>) => void = () => {},
) {
  using root = new TestRoot(entries);
  const mounts = await prepareMounts(requests, volumes, {
    root,
    bundleDir: join(root.outside, 'bundle'),
    volumesDir: join(root.outside, 'volumes'),
    readOnlyRoot,
    privileged: false,
    hasRecursiveReadOnly: true,
  });
  look(root, mounts);
  return mounts;
}

function usageError(pattern: RegExp) {
  return (error: unknown) =>
    error instanceof EngineError && error.code === 'USAGE_INVALID' && pattern.test(error.message);
}

describe('prepareMounts', () => {
  it('makes the missing source of -v and refuses that of --mount', async () => {
    using scratch = new ScratchDirectory();
    const source = join(scratch.path, 'a/b');
    const refused = mountsOf([{ ...BIND, source, createSource: false }], {});
    await assert.rejects(refused, usageError(/does not exist/));
    await mountsOf([{ ...BIND, source }], {});
    assert.ok(lstatSync(source).isDirectory());
  });

  it('makes a read-only bind read-only with all mounts below it', async () => {
    const [mount] = await mountsOf([{ ...BIND, source: '/tmp', readOnly: true }], {});
    assert.deepEqual(mount?.options, ['rbind', 'rprivate', 'ro', 'rro']);
  });

  it('mounts where a link of the image leads, inside the root', async () => {
    const entries = { data: { link: '/srv' }, srv: null };
    const [mount] = await mountsOf([{ ...BIND, source: '/tmp' }], { entries });
    assert.equal(mount?.destination, '/srv');
  });

  it('refuses two mounts at one place, also when a link hides it', async () => {
    const entries = { other: { link: 'data' }, data: null };
    const tmpfs = { type: 'tmpfs', destination: '/other', options: [] } as const;
    const refused = mountsOf([{ ...BIND, source: '/tmp' }, tmpfs], { entries });
    await assert.rejects(refused, usageError(/Two mounts/));
  });

  it('guards a tmpfs unless its options say otherwise', async () => {
    const tmpfs = (options: string[]) => ({ type: 'tmpfs', destination: '/t', options }) as const;
    const [plain] = await mountsOf([tmpfs(['size=1m'])], {});
    assert.deepEqual(plain?.options, ['noexec', 'nosuid', 'nodev', 'size=1m']);
    const [open] = await mountsOf([tmpfs(['exec', 'rw'])], {});
    assert.deepEqual(open?.options, ['nosuid', 'nodev', 'exec', 'rw']);
  });

  it('keeps a volume without a name in the writable layer of the container', async () => {
    await mountsOf([VOLUME], { volumes: ['/var/lib/db'] }, (root, mounts) => {
      assert.deepEqual(mounts, []);
      assert.ok(lstatSync(join(root.path, 'data')).isDirectory());
      assert.ok(lstatSync(join(root.path, 'var/lib/db')).isDirectory());
    });
  });

  it('gives a read-only root writable volumes with the content of the image', async () => {
    const entries = { 'var/lib/db/file': 'text' };
    const request = { entries, volumes: ['/var/lib/db'], readOnlyRoot: true };
    await mountsOf([], request, (root, [mount]) => {
      assert.equal(mount?.destination, '/var/lib/db');
      assert.ok(mount?.source.startsWith(join(root.outside, 'bundle')));
      assert.equal(readFileSync(join(mount?.source ?? '', 'file'), 'utf8'), 'text');
      assert.equal(existsSync(join(root.path, 'data')), false);
    });
  });

  it('lets a mount of the user take the place of a VOLUME', async () => {
    const request = { volumes: ['/data'], readOnlyRoot: true };
    const mounts = await mountsOf([{ ...BIND, source: '/tmp' }], request);
    assert.deepEqual(
      mounts.map(({ source }) => source),
      ['/tmp'],
    );
  });

  it('passes over VOLUMEs where nothing may be mounted, and never copies from outside', async () => {
    const volumes = [
      '/',
      '/proc/x',
      '/sys/fs/cgroup',
      'relative',
      '../..',
      '/climb',
      '/file',
      '/n\0l',
    ];
    const entries = { climb: { link: '../../../proc' }, file: 'a file' };
    assert.deepEqual(await mountsOf([], { volumes, entries, readOnlyRoot: true }), []);
  });

  it('copies nothing of the host through a VOLUME that climbs (CVE-2022-23648)', async () => {
    const request = {
      volumes: ['/../../../etc', '/link'],
      entries: { link: { link: '../../../etc' } },
      readOnlyRoot: true,
    };
    await mountsOf([], request, (_root, mounts) => {
      assert.deepEqual(
        mounts.map(({ destination }) => destination),
        ['/etc'],
      );
      for (const { source } of mounts) assert.deepEqual(readdirSync(source), []);
    });
  });

  it('refuses an image with ten thousand VOLUMEs', async () => {
    const volumes = Array.from({ length: 10_000 }, (_, index) => `/v${index}`);
    await assert.rejects(
      mountsOf([], { volumes }),
      (error) => (error as EngineError).code === 'IMAGE_INVALID',
    );
  });
});

describe('prepareVolume', () => {
  function fill(directory: string): void {
    mkdirSync(join(directory, 'sub'), { recursive: true });
    writeFileSync(join(directory, 'sub/file'), 'text');
    chownSync(join(directory, 'sub/file'), 12, 34);
    chmodSync(join(directory, 'sub/file'), 0o4711);
    linkSync(join(directory, 'sub/file'), join(directory, 'hard'));
    symlinkSync('/etc/passwd', join(directory, 'link'));
    writeFileSync(Buffer.concat([Buffer.from(directory), Buffer.from('/n\xff', 'latin1')]), '');
    execFileSync('mkfifo', [join(directory, 'fifo')]);
    utimesSync(join(directory, 'sub'), 1, 1.5);
    chownSync(directory, 56, 78);
    chmodSync(directory, 0o1770);
  }

  it('copies types, owners, modes, times, links and names of bytes, the first time only', async () => {
    using scratch = new ScratchDirectory();
    const source = join(scratch.path, 'image');
    fill(source);
    const dataDir = await prepareVolume(join(scratch.path, 'volume'), source);
    const describeTree = (directory: string) =>
      execFileSync('find', ['.', '-printf', '%p %y %m %U:%G %T@ %l %n\\n'], {
        cwd: directory,
        encoding: 'latin1',
      })
        .split('\n')
        // The link count of directories depends on the file system.
        .map((line) => (line.includes(' d ') ? line.replace(/ \d+$/, '') : line))
        .sort();
    assert.deepEqual(describeTree(dataDir), describeTree(source));
    assert.equal(lstatSync(join(dataDir, 'hard')).ino, lstatSync(join(dataDir, 'sub/file')).ino);
    assert.equal(readlinkSync(join(dataDir, 'link')), '/etc/passwd');

    writeFileSync(join(dataDir, 'mine'), '');
    execFileSync('rm', [join(dataDir, 'hard')]);
    await prepareVolume(join(scratch.path, 'volume'), source);
    assert.equal(existsSync(join(dataDir, 'hard')), false);
    assert.equal(existsSync(join(dataDir, 'mine')), true);
  });

  it('completes a copy that was interrupted', async () => {
    using scratch = new ScratchDirectory();
    const source = join(scratch.path, 'image');
    fill(source);
    const volume = join(scratch.path, 'volume');
    mkdirSync(join(volume, '_data/sub'), { recursive: true });
    writeFileSync(join(volume, 'filling'), '');
    const dataDir = await prepareVolume(volume, source);
    assert.equal(readFileSync(join(dataDir, 'sub/file'), 'utf8'), 'text');
    assert.equal(existsSync(join(volume, 'filling')), false);
  });

  it('is safe to call at once', async () => {
    using scratch = new ScratchDirectory();
    const source = join(scratch.path, 'image');
    fill(source);
    const volume = join(scratch.path, 'volume');
    const paths = await Promise.all([1, 2, 3, 4].map(() => prepareVolume(volume, source)));
    assert.equal(new Set(paths).size, 1);
    assert.deepEqual(readdirSync(paths[0] ?? '').length, 5);
  });

  it('is an empty directory when there is nothing to copy', async () => {
    using scratch = new ScratchDirectory();
    const dataDir = await prepareVolume(join(scratch.path, 'v'), join(scratch.path, 'missing'));
    assert.deepEqual(readdirSync(dataDir), []);
  });
});

describe('chooseDevices', () => {
  const context = { rootfsPath: '/nonexistent', privileged: false };
  const device = (source: string, destination = source, access = 'rwm') => ({
    source,
    destination,
    access,
  });
  it('reads numbers from the host and allows nothing else', () => {
    const { devices, rules } = chooseDevices([device('/dev/zero', '/dev/blank', 'r')], context);
    assert.partialDeepStrictEqual(devices[0], {
      path: '/dev/blank',
      type: 'c',
      major: 1,
      minor: 5,
    });
    assert.deepEqual(rules, [
      { allow: false, access: 'rwm' },
      { allow: true, type: 'c', major: 1, minor: 5, access: 'r' },
    ]);
  });
  it('refuses what is missing or no device, and places in /proc', () => {
    for (const request of [
      device('/dev/none'),
      device('/etc/passwd'),
      device('/dev/null', '/proc/x'),
    ]) {
      assert.throws(() => chooseDevices([request], context), EngineError);
    }
  });
  it('gives a privileged container every device but the console', () => {
    const { devices, rules } = chooseDevices([], { ...context, privileged: true });
    const paths = devices.map(({ path }) => path);
    assert.ok(paths.includes('/dev/null'));
    assert.equal(
      paths.some((path) => /^\/dev\/(console|pts|shm)/.test(path)),
      false,
    );
    assert.deepEqual(rules, [{ allow: true, access: 'rwm' }]);
  });
});

describe('mounts in a real container', { skip: cannotRunContainers }, () => {
  it('are there with their rights, and a read-only bind stays so', async () => {
    using scratch = new ScratchDirectory();
    mkdirSync(join(scratch.path, 'ro'));
    writeFileSync(join(scratch.path, 'ro/file'), 'from the host');
    const output = await outputOf(
      `cat /ro/file; (: > /ro/new) 2>/dev/null || echo " refused"; echo back > /rw/file
       ls -A /volume; (: > /volume/x) && echo volume-writable; cat /run/file/here`,
      {
        prepare: (rootfs) => {
          mkdirSync(join(rootfs, 'volume'));
          writeFileSync(join(rootfs, 'volume/content'), '');
          mkdirSync(join(rootfs, 'var'));
          symlinkSync('/run', join(rootfs, 'var/run'));
        },
        image: { Volumes: { '/volume': {} } },
        options: {
          readOnly: true,
          mounts: [
            { ...BIND, source: join(scratch.path, 'ro'), destination: '/ro', readOnly: true },
            { ...BIND, source: join(scratch.path, 'rw'), destination: '/rw' },
            { ...BIND, source: join(scratch.path, 'ro/file'), destination: '/var/run/file/here' },
          ],
        },
      },
    );
    assert.equal(output, 'from the host refused\ncontent\nvolume-writable\nfrom the host');
    assert.equal(readFileSync(join(scratch.path, 'rw/file'), 'utf8'), 'back\n');
  });

  it('leave the lookup of a program on them to runc, with the same status', async () => {
    using scratch = new ScratchDirectory();
    writeFileSync(join(scratch.path, 'file'), '', { mode: 0o644 });
    const mounts = [{ ...BIND, source: scratch.path }];
    const missing = await runToEnd({ options: { mounts, command: ['/data/none'] } });
    assert.deepEqual([missing.status, missing.code], [127, 'COMMAND_NOT_FOUND']);
    const forbidden = await runToEnd({ options: { mounts, command: ['/data/file'] } });
    assert.deepEqual([forbidden.status, forbidden.code], [126, 'COMMAND_NOT_EXECUTABLE']);
  });
});
