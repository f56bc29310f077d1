/** What is refused or resolved in a root before anything is mounted or run in it. */
import assert from 'node:assert/strict';
import { existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import { assertSafeRootfs } from '../../../src/core/runtime/guard-rootfs.ts';
import { mountDestination } from '../../../src/core/runtime/mount-destination.ts';
import { resolveRootPath } from '../../../src/core/runtime/root-path.ts';
import { prepareWorkingDirectory } from '../../../src/core/runtime/working-directory.ts';
import { type RootEntry, TestRoot } from './root-fixture.ts';

function refuses(code: string, action: () => unknown): void {
  assert.throws(action, (error) => error instanceof EngineError && error.code === code);
}

describe('assertSafeRootfs', () => {
  const hostile: [name: string, entries: Record<string, RootEntry>][] = [
    ...['dev', 'proc', 'sys', 'dev/pts', 'dev/shm', 'dev/mqueue'].flatMap(
      (path): [string, Record<string, RootEntry>][] => [
        [`a link at /${path}`, { [path]: { link: '/etc' } }],
        [`a relative link at /${path}`, { [path]: { link: '../../etc' } }],
        [`a link to nothing at /${path}`, { [path]: { link: 'nothing' } }],
        [`a file at /${path}`, { [path]: 'a file' }],
      ],
    ),
    ...['console', 'null', 'zero', 'full', 'random', 'urandom', 'tty'].map(
      (name): [string, Record<string, RootEntry>] => [
        `a link at /dev/${name}`,
        { [`dev/${name}`]: { link: '/etc/shadow' } },
      ],
    ),
  ];
  for (const [name, entries] of hostile) {
    it(`refuses ${name} (CVE-2026-41579 and its kin)`, () => {
      using root = new TestRoot(entries);
      refuses('IMAGE_INVALID', () => assertSafeRootfs(root.path));
    });
  }

  const ordinary: [name: string, entries: Record<string, RootEntry>][] = [
    ['an empty root', {}],
    ['directories', { 'dev/pts': null, 'dev/shm': null, proc: null, sys: null }],
    ["files where devices go, as docker's export has them", { 'dev/console': '', 'dev/null': '' }],
    [
      'the usual links in /dev',
      { 'dev/fd': { link: '/proc/self/fd' }, 'dev/ptmx': { link: 'pts/ptmx' } },
    ],
  ];
  for (const [name, entries] of ordinary) {
    it(`accepts ${name}`, () => {
      using root = new TestRoot(entries);
      assertSafeRootfs(root.path);
    });
  }
});

describe('resolveRootPath', () => {
  const entries: Record<string, RootEntry> = {
    'a/b/c': null,
    absolute: { link: '/a/b' },
    relative: { link: './a/../a/b' },
    escape: { link: '../../../../etc' },
    'a/up': { link: '../..' },
    chain: { link: 'absolute/c' },
    loop: { link: 'loop2' },
    loop2: { link: 'loop' },
    dangling: { link: '/missing/place' },
    'a/file': 'text',
  };
  const rows: [path: string, resolved: string][] = [
    ['/', '/'],
    ['//a//./b/', '/a/b'],
    ['/absolute/c', '/a/b/c'],
    ['/relative/c', '/a/b/c'],
    ['/chain', '/a/b/c'],
    ['/escape/passwd', '/etc/passwd'],
    ['/a/up/x', '/x'],
    ['/absolute/../c', '/a/c'],
    ['/../../a', '/a'],
    ['/dangling/deep', '/missing/place/deep'],
    ['/missing/../a', '/a'],
    ['/a/file/below', '/a/file/below'],
  ];
  for (const [path, resolved] of rows) {
    it(`leads ${path} to ${resolved}`, () => {
      using root = new TestRoot(entries);
      assert.equal(resolveRootPath(root.path, path), resolved);
    });
  }
  it('refuses a loop', () => {
    using root = new TestRoot(entries);
    refuses('IMAGE_INVALID', () => resolveRootPath(root.path, '/loop/x'));
  });
});

describe('mountDestination', () => {
  const entries: Record<string, RootEntry> = {
    data: null,
    sysctl: { link: '/proc/sys' },
    climb: { link: '../../../../proc' },
    root: { link: '/' },
    'var/run': { link: '/run' },
  };
  const refused: [name: string, destination: string][] = [
    ['the root', '/'],
    ['the root in another spelling', '//./'],
    ['the root through a link', '/root'],
    ['a dot', '.'],
    ['a relative path', 'data'],
    ['dots that climb', '/data/../..'],
    ['dots that do not', '/data/../data'],
    ['/proc', '/proc'],
    ['a path in /proc', '/proc/self'],
    ['/sys', '/sys'],
    ['a path in /sys', '/sys/fs/cgroup'],
    ['a link of the image into /proc (CVE-2019-19921)', '/sysctl'],
    ['a path below such a link', '/sysctl/kernel'],
    ['a link that climbs into /proc', '/climb/x'],
    ['a NUL', '/data\0x'],
  ];
  for (const [name, destination] of refused) {
    it(`refuses ${name}`, () => {
      using root = new TestRoot(entries);
      refuses('USAGE_INVALID', () =>
        mountDestination(root.path, destination, { privileged: false }),
      );
    });
  }
  it('follows links that stay inside', () => {
    using root = new TestRoot(entries);
    const at = (path: string) => mountDestination(root.path, path, { privileged: false });
    assert.equal(at('/data/'), '/data');
    assert.equal(at('/var/run/docker.sock'), '/run/docker.sock');
    assert.equal(at('/processes'), '/processes');
  });
  it('lets a privileged container mount below /proc and /sys, not over them', () => {
    using root = new TestRoot(entries);
    const at = (path: string) => mountDestination(root.path, path, { privileged: true });
    assert.equal(at('/sys/fs/cgroup'), '/sys/fs/cgroup');
    refuses('USAGE_INVALID', () => at('/proc'));
  });
});

describe('prepareWorkingDirectory', () => {
  it('makes what is missing, owned by root', () => {
    using root = new TestRoot({ srv: { link: 'data' }, data: null });
    assert.equal(prepareWorkingDirectory(root, '/srv/a/b', []), '/data/a/b');
    const stats = lstatSync(join(root.path, 'data/a/b'));
    assert.deepEqual([stats.isDirectory(), stats.mode & 0o7777, stats.uid], [true, 0o755, 0]);
  });
  it('leaves a directory on a mount to the runtime', () => {
    using root = new TestRoot({});
    assert.equal(prepareWorkingDirectory(root, '/mnt/x', ['/mnt']), '/mnt/x');
    assert.equal(existsSync(join(root.path, 'mnt')), false);
  });
  it('makes nothing outside through a link that climbs', () => {
    using root = new TestRoot({ up: { link: '../../..' } });
    assert.equal(prepareWorkingDirectory(root, '/up/made', []), '/made');
    assert.equal(existsSync(join(root.outside, 'made')), false);
    assert.equal(existsSync(join(root.path, 'made')), true);
  });
  const refused: [name: string, directory: string][] = [
    ['a relative path', 'here'],
    ['a file', '/file'],
    ['a descriptor of a process (CVE-2024-21626)', '/proc/self/fd/7'],
    ['a descriptor through a link of the image', '/leak/..'],
    ['a descriptor by number', '/proc/1/fd/7'],
    ['a descriptor through /dev', '/dev/fd/7'],
  ];
  for (const [name, directory] of refused) {
    it(`refuses ${name}`, () => {
      using root = new TestRoot({ file: 'text', leak: { link: '/proc/self/fd/7/x' } });
      refuses('USAGE_INVALID', () => prepareWorkingDirectory(root, directory, []));
    });
  }
});
