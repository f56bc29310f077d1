import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isErrno, mknod, openInRoot } from '../../../src/core/host/libc.ts';
import {
  makeDirectoryInRoot,
  openRoot,
  type RootHandle,
  readFileInRoot,
  statInRoot,
} from '../../../src/core/host/resolve-in-root.ts';

const isRoot = process.getuid?.() === 0;
const needsRoot = isRoot ? {} : { skip: 'needs root' };

let directory: string;
let rootPath: string;
let root: RootHandle;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'in-root-'));
  rootPath = join(directory, 'root');
  mkdirSync(join(rootPath, 'etc'), { recursive: true });
  writeFileSync(join(directory, 'outside'), 'host secret');
  writeFileSync(join(rootPath, 'outside'), 'inside');
  writeFileSync(join(rootPath, 'etc/passwd'), 'root:x:0:0');
  root = openRoot(rootPath);
});
after(() => {
  root[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

describe('readFileInRoot', () => {
  it('reads a regular file, through links that stay inside', () => {
    symlinkSync('etc', join(rootPath, 'to-etc'));
    for (const path of [
      'etc/passwd',
      '/etc/passwd',
      '/to-etc/./passwd',
      Buffer.from('etc/passwd'),
    ]) {
      assert.equal(readFileInRoot(root, path, 100)?.toString(), 'root:x:0:0');
    }
  });

  // Each way would read the host's file if the path were joined to the root's and opened.
  const escapes = [
    { name: 'dots', path: '../outside' },
    { name: 'many dots', path: '/etc/../../../../../../outside' },
    { name: 'a relative link with dots', link: '../outside', path: 'escape' },
    { name: 'an absolute link', link: '/outside', path: 'escape' },
    { name: 'a link to the host root', link: '/', path: 'escape/outside' },
    { name: 'a link to dots', link: '..', path: 'escape/outside' },
    { name: 'a chain of links', link: 'second', second: '../../outside', path: 'escape' },
  ];
  for (const { name, path, link, second } of escapes) {
    it(`stays inside for ${name}`, () => {
      if (link !== undefined) {
        symlinkSync(link, join(rootPath, 'escape'));
      }
      if (second !== undefined) {
        symlinkSync(second, join(rootPath, 'second'));
      }
      assert.equal(readFileInRoot(root, path, 100)?.toString(), 'inside');
      rmSync(join(rootPath, 'escape'), { force: true });
      rmSync(join(rootPath, 'second'), { force: true });
    });
  }

  it('finds nothing through the links of /proc, even where proc is in the root', needsRoot, () => {
    const program = `
      const { mkdirSync } = await import('node:fs');
      const libc = await import(${JSON.stringify(new URL('../../../src/core/host/libc.ts', import.meta.url).href)});
      const roots = await import(${JSON.stringify(new URL('../../../src/core/host/resolve-in-root.ts', import.meta.url).href)});
      libc.unsharePrivateMounts();
      mkdirSync('${rootPath}/proc');
      libc.mountCall('proc', '${rootPath}/proc', { type: 'proc', flags: 0, data: null });
      const root = roots.openRoot('${rootPath}');
      console.log(roots.readFileInRoot(root, 'proc/self/root/etc/passwd', 1e6) === undefined);
      console.log(roots.readFileInRoot(root, 'proc/self/comm', 1e6) !== undefined);
    `;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
    assert.equal(stdout.toString(), 'true\ntrue\n');
  });

  it('is undefined for what is not there', () => {
    symlinkSync('loop', join(rootPath, 'loop'));
    symlinkSync('/nothing', join(rootPath, 'dangling'));
    const absent = ['absent', 'absent/below', 'outside/below', 'loop', 'dangling', 'n'.repeat(300)];
    for (const path of absent) {
      assert.equal(readFileInRoot(root, path, 100), undefined, path);
      assert.equal(statInRoot(root, path, { followLast: true }), undefined, path);
    }
  });

  it('does not hang at a fifo, and opens no device, socket or directory', needsRoot, async () => {
    mknod(Buffer.from(join(rootPath, 'etc/fifo')), constants.S_IFIFO | 0o644, {
      major: 0,
      minor: 0,
    });
    mknod(Buffer.from(join(rootPath, 'etc/zero')), constants.S_IFCHR | 0o644, {
      major: 1,
      minor: 5,
    });
    const server = createServer().listen(join(rootPath, 'etc/socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    for (const path of ['etc/fifo', 'etc/zero', 'etc/socket', 'etc', '/']) {
      assert.equal(readFileInRoot(root, path, 100), undefined, path);
      assert.ok(statInRoot(root, path, { followLast: true }), path);
    }
    server.close();
  });

  it('reads up to the limit and refuses one byte more', () => {
    writeFileSync(join(rootPath, 'large'), 'x'.repeat(1000));
    assert.equal(readFileInRoot(root, 'large', 1000)?.length, 1000);
    assert.throws(
      () => readFileInRoot(root, 'large', 999),
      /"large" in its root is larger than 999/,
    );
    const fd = openSync(join(rootPath, 'huge'), 'w');
    ftruncateSync(fd, 2 ** 40);
    closeSync(fd);
    assert.throws(() => readFileInRoot(root, 'huge', 1 << 20), /larger than/);
  });

  it('leaks no descriptor', () => {
    const count = () => readdirSync('/proc/self/fd').length;
    const before = count();
    for (let i = 0; i < 20; i++) {
      readFileInRoot(root, 'etc/passwd', 100);
      readFileInRoot(root, 'etc', 100);
      readFileInRoot(root, 'absent', 100);
      statInRoot(root, 'etc/passwd', { followLast: false });
      assert.throws(() => readFileInRoot(root, 'etc/passwd', 1));
      makeDirectoryInRoot(root, 'etc', { mode: 0o755, uid: 0, gid: 0 });
      assert.throws(() => makeDirectoryInRoot(root, 'outside/x', { mode: 0, uid: 0, gid: 0 }));
    }
    assert.equal(count(), before);
  });
});

describe('statInRoot', () => {
  it('tells a link from what it leads to', () => {
    symlinkSync('/etc', join(rootPath, 'link'));
    assert.ok(statInRoot(root, 'link', { followLast: false })?.isSymbolicLink());
    assert.ok(statInRoot(root, 'link', { followLast: true })?.isDirectory());
    assert.equal(
      statInRoot(root, 'link', { followLast: true })?.ino,
      lstatSync(join(rootPath, 'etc')).ino,
    );
  });
});

describe('makeDirectoryInRoot', () => {
  it(
    'makes the directory and its parents with the attributes, whatever the umask',
    needsRoot,
    () => {
      const umask = process.umask(0o077);
      makeDirectoryInRoot(root, '/srv/a/b', { mode: 0o2755, uid: 12, gid: 34 });
      process.umask(umask);
      for (const path of ['srv', 'srv/a', 'srv/a/b']) {
        const { mode, uid, gid } = statSync(join(rootPath, path));
        assert.deepEqual([mode & 0o7777, uid, gid], [0o2755, 12, 34]);
      }
    },
  );

  it('leaves what is there as it is, and may be repeated', () => {
    chmodSync(join(rootPath, 'etc'), 0o711);
    for (let i = 0; i < 2; i++) {
      makeDirectoryInRoot(root, 'etc/new', { mode: 0o700, uid: 0, gid: 0 });
    }
    assert.equal(statSync(join(rootPath, 'etc')).mode & 0o777, 0o711);
    makeDirectoryInRoot(root, '/', { mode: 0o700, uid: 0, gid: 0 });
  });

  it('makes nothing outside, whatever links and dots the path has', () => {
    symlinkSync('/', join(rootPath, 'host'));
    symlinkSync('../../..', join(rootPath, 'up'));
    for (const path of ['host/made', 'up/made-2', '../../made-3']) {
      makeDirectoryInRoot(root, path, { mode: 0o700, uid: 0, gid: 0 });
    }
    for (const name of ['made', 'made-2', 'made-3']) {
      assert.ok(existsSync(join(rootPath, name)), name);
      assert.ok(!existsSync(join(directory, name)) && !existsSync(`/${name}`), name);
    }
  });

  const inTheWay = [
    { name: 'a file', path: 'outside/x', errno: 'ENOTDIR' },
    { name: 'a file in last place', path: 'outside', errno: 'ENOTDIR' },
    { name: 'a link to nothing', path: 'dangling-parent/x', errno: 'EEXIST' },
  ];
  for (const { name, path, errno } of inTheWay) {
    it(`reports ${errno} for ${name}`, () => {
      rmSync(join(rootPath, 'dangling-parent'), { force: true });
      symlinkSync('/missing', join(rootPath, 'dangling-parent'));
      assert.throws(
        () => makeDirectoryInRoot(root, path, { mode: 0o700, uid: 0, gid: 0 }),
        (error) => isErrno(error, errno),
      );
      assert.ok(!existsSync(join(rootPath, 'missing')));
    });
  }
});

describe('openInRoot', () => {
  it('gives a descriptor that children do not inherit', () => {
    const fd = openInRoot(root.fd, 'etc/passwd', constants.O_RDONLY);
    assert.equal(readFileSync(fd, 'utf8'), 'root:x:0:0');
    assert.match(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'), /flags:\s+0?2/);
    closeSync(fd);
  });

  it('reports the errno and the path', () => {
    assert.throws(
      () => openInRoot(root.fd, 'absent\n', constants.O_RDONLY),
      (error) =>
        isErrno(error, 'ENOENT') &&
        error instanceof Error &&
        error.message ===
          'openat2 failed on "absent\\x0a" in its root: ENOENT (no such file or directory).',
    );
    assert.throws(() => openInRoot(root.fd, 'a\0b', constants.O_RDONLY), /has a NUL byte/);
  });
});
