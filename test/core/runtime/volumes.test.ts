import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import { chooseDevices } from '../../../src/core/runtime/devices.ts';
import type { MountRequest } from '../../../src/core/runtime/run-options.ts';
import { type PreparedMounts, prepareMounts } from '../../../src/core/runtime/volumes.ts';
import {
  cannotRunContainers,
  outputOf,
  plainVolumes,
  runToEnd,
  ScratchDirectory,
} from './container-fixture.ts';
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
  { entries = {}, volumes = [] }: { entries?: Record<string, RootEntry>; volumes?: string[] },
  look: (root: TestRoot, prepared: PreparedMounts) => void = () => {},
) {
  using root = new TestRoot(entries);
  const { mounts, warnings } = await prepareMounts(requests, volumes, {
    root,
    provideVolumes: (wanted) => plainVolumes(join(root.outside, 'volumes'), wanted),
    privileged: false,
    owner: { uid: 0, gid: 0 },
    hasRecursiveReadOnly: true,
  });
  look(root, { mounts, warnings });
  return { mounts, warnings };
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
    const {
      mounts: [mount],
    } = await mountsOf([{ ...BIND, source: '/tmp', readOnly: true }], {});
    assert.deepEqual(mount?.options, ['rbind', 'rprivate', 'ro', 'rro']);
  });

  it('warns when a bind is to receive mounts and lies on a private one', async () => {
    using scratch = new ScratchDirectory();
    const source = join(scratch.path, 'with space');
    mkdirSync(source);
    execFileSync('mount', ['--bind', source, source]);
    using _mounted = { [Symbol.dispose]: () => void execFileSync('umount', [source]) };
    for (const propagation of ['private', 'shared']) {
      execFileSync('mount', [`--make-${propagation}`, source]);
      const request = { ...BIND, source, propagation: 'rslave' } as const;
      const { warnings } = await mountsOf([request], {});
      assert.equal(warnings.length, propagation === 'private' ? 1 : 0);
      if (propagation === 'private') assert.match(warnings[0] ?? '', /with space" is private/);
    }
  });

  it('mounts where a link of the image leads, inside the root', async () => {
    const entries = { data: { link: '/srv' }, srv: null };
    const {
      mounts: [mount],
    } = await mountsOf([{ ...BIND, source: '/tmp' }], { entries });
    assert.equal(mount?.destination, '/srv');
  });

  it('refuses two mounts at one place, also when a link hides it', async () => {
    const entries = { other: { link: 'data' }, data: null };
    const tmpfs = { type: 'tmpfs', destination: '/other', options: [] } as const;
    const refused = mountsOf([{ ...BIND, source: '/tmp' }, tmpfs], { entries });
    await assert.rejects(refused, usageError(/Duplicate mount point: "\/data"/));
  });

  it('guards a tmpfs unless its options say otherwise', async () => {
    const tmpfs = (options: string[]) => ({ type: 'tmpfs', destination: '/t', options }) as const;
    const {
      mounts: [plain],
    } = await mountsOf([tmpfs(['size=1m'])], {});
    assert.deepEqual(plain?.options, ['noexec', 'nosuid', 'nodev', 'size=1m']);
    const {
      mounts: [open],
    } = await mountsOf([tmpfs(['exec', 'rw'])], {});
    assert.deepEqual(open?.options, ['nosuid', 'nodev', 'exec', 'rw']);
  });

  it('gives volumes the content of the image, also those that nobody names', async () => {
    const entries = { 'var/lib/db/file': 'text', 'data/other': 'more' };
    const request = { entries, volumes: ['/var/lib/db'] };
    await mountsOf([{ ...VOLUME, name: 'named' }], request, (root, { mounts }) => {
      const [named, anonymous] = mounts;
      assert.equal(readFileSync(join(named?.source ?? '', 'other'), 'utf8'), 'more');
      assert.equal(anonymous?.destination, '/var/lib/db');
      assert.ok(anonymous?.source.startsWith(join(root.outside, 'volumes')));
      assert.equal(readFileSync(join(anonymous?.source ?? '', 'file'), 'utf8'), 'text');
    });
  });

  it('leaves a volume with nocopy or a subpath empty', async () => {
    const entries = { 'data/file': 'text' };
    for (const over of [{ copyUp: false }, { subpath: 'part' }]) {
      await mountsOf([{ ...VOLUME, ...over }], { entries }, (_root, { mounts }) => {
        assert.deepEqual(readdirSync(mounts[0]?.source ?? ''), []);
      });
    }
  });

  it('lets a mount of the user take the place of a VOLUME', async () => {
    const request = { volumes: ['/data'] };
    const { mounts } = await mountsOf([{ ...BIND, source: '/tmp' }], request);
    assert.deepEqual(
      mounts.map(({ source }) => source),
      ['/tmp'],
    );
  });

  it('passes over VOLUMEs where nothing may be mounted, and says so', async () => {
    const volumes = ['/proc/x', '/sys/fs/cgroup', '/dev/shm', '/climb', '/file', '/fine'];
    const entries = { climb: { link: '../../../proc' }, file: 'a file' };
    await mountsOf([], { volumes, entries }, (_root, { mounts, warnings }) => {
      assert.deepEqual(
        mounts.map(({ destination }) => destination),
        ['/fine'],
      );
      assert.deepEqual(
        warnings.map((text) => /"([^"]+)"/.exec(text)?.[1]),
        volumes.slice(0, -1),
      );
    });
  });

  const impossible: [name: string, volume: string, pattern: RegExp][] = [
    ['the root', '/', /is the root/],
    ['the root through ".."', '/../..', /is the root/],
    ['the root through a link of the image', '/link', /is the root/],
    ['a relative path', 'relative', /not an absolute path/],
    ['a name with a NUL', '/n\0l', /not an absolute path/],
  ];
  for (const [name, volume, pattern] of impossible) {
    it(`refuses an image whose VOLUME is ${name}`, async () => {
      const request = mountsOf([], { volumes: [volume], entries: { link: { link: '/' } } });
      await assert.rejects(
        request,
        (error: EngineError) => error.code === 'IMAGE_INVALID' && pattern.test(error.message),
      );
    });
  }

  it('copies nothing of the host through a VOLUME that climbs (CVE-2022-23648)', async () => {
    const request = {
      volumes: ['/../../../etc', '/link'],
      entries: { link: { link: '../../../etc' } },
    };
    await mountsOf([], request, (_root, { mounts }) => {
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
  it('refuses a place where the image has something else, which runc would leave there', () => {
    using root = new TestRoot({ 'opt/file': 'text', 'opt/dir': null, link: { link: '/opt/file' } });
    const inRoot = { rootfsPath: root.path, privileged: false };
    for (const place of ['/opt/file', '/opt/dir', '/link']) {
      assert.throws(
        () => chooseDevices([device('/dev/zero', place)], inRoot),
        usageError(/something else at "\/opt/),
      );
    }
    execFileSync('mknod', [join(root.path, 'opt/zero'), 'c', '1', '5']);
    for (const place of ['/opt/new', '/opt/zero', '/dev/null']) {
      assert.equal(chooseDevices([device('/dev/zero', place)], inRoot).devices.length, 1, place);
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
