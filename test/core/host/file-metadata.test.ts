import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  getXattr,
  isErrno,
  listXattrs,
  mknod,
  setTimes,
  setXattr,
  syncFilesystem,
} from '../../../src/core/host/libc.ts';

const needsRoot = process.getuid?.() === 0 ? {} : { skip: 'needs root' };

let directory: string;
/** A file whose name is not UTF-8. */
let odd: Buffer;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'metadata-'));
  odd = Buffer.concat([Buffer.from(`${directory}/n`), Buffer.from([0x80, 0xff, 0x0a])]);
  writeFileSync(odd, '');
});
after(() => rmSync(directory, { recursive: true }));

describe('extended attributes', needsRoot, () => {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const rows = [
    { title: 'every byte', name: 'user.every', value: everyByte },
    { title: 'no byte', name: 'user.empty', value: Buffer.alloc(0) },
    { title: 'NUL bytes only', name: 'user.nul', value: Buffer.alloc(4) },
    { title: 'much', name: 'user.much', value: Buffer.alloc(3000, 0xfe) },
    {
      title: 'a capability with its high bits set',
      name: 'security.capability',
      value: Buffer.from('0000000280000000000000000000000000000000', 'hex'),
    },
  ];
  for (const { title, name, value } of rows) {
    it(`keep a value of ${title}`, () => {
      setXattr(odd, Buffer.from(name), value);
      assert.deepEqual(getXattr(odd, Buffer.from(name)), value);
    });
  }

  it('are seen by other programs as they were set', () => {
    const plain = join(directory, 'plain');
    writeFileSync(plain, '');
    setXattr(Buffer.from(plain), Buffer.from('user.a'), Buffer.from([0, 0xff]));
    const program = 'import os,sys; print(os.getxattr(sys.argv[1], "user.a").hex())';
    assert.equal(execFileSync('python3', ['-c', program, plain]).toString(), '00ff\n');
  });

  it('have names of any bytes, all of which are listed', () => {
    const path = join(directory, 'names');
    writeFileSync(path, '');
    const names = [Buffer.from('user.plain'), Buffer.from('user.\x80\xff =,', 'latin1')];
    for (const name of names) {
      setXattr(Buffer.from(path), name, Buffer.from('v'));
    }
    assert.deepEqual(listXattrs(Buffer.from(path)).sort(Buffer.compare), names);
  });

  it('are none on a new file', () => {
    const path = join(directory, 'none');
    writeFileSync(path, '');
    assert.deepEqual(listXattrs(Buffer.from(path)), []);
    assert.throws(
      () => getXattr(Buffer.from(path), Buffer.from('user.absent')),
      (error) => isErrno(error, 'ENODATA'),
    );
  });

  it('belong to a symbolic link, not to its target', () => {
    const link = join(directory, 'link');
    const target = join(directory, 'target');
    writeFileSync(target, '');
    symlinkSync(target, link);
    setXattr(Buffer.from(link), Buffer.from('trusted.mine'), Buffer.from('v'));
    assert.deepEqual(listXattrs(Buffer.from(link)).map(String), ['trusted.mine']);
    assert.deepEqual(listXattrs(Buffer.from(target)), []);
    assert.throws(
      () => setXattr(Buffer.from(link), Buffer.from('user.x'), Buffer.from('v')),
      (error) => isErrno(error, 'EPERM'),
    );
  });
});

describe('mknod', needsRoot, () => {
  // What the kernel gives back in st_rdev, taken apart as glibc's major and minor do.
  const majorOf = (device: bigint) => Number((device >> 8n) & 0xfffn);
  const minorOf = (device: bigint) => Number((device & 0xffn) | ((device >> 12n) & 0xfff00n));
  const { S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK } = constants;
  const rows = [
    { title: 'a character device', mode: S_IFCHR | 0o600, major: 1, minor: 3 },
    { title: 'a block device', mode: S_IFBLK | 0o640, major: 259, minor: 0 },
    { title: 'the largest numbers', mode: S_IFCHR | 0o600, major: 0xfff, minor: 0xfffff },
    { title: 'a minor number over 255', mode: S_IFCHR | 0o600, major: 5, minor: 300 },
    { title: 'a fifo', mode: S_IFIFO | 0o600, major: 0, minor: 0 },
    { title: 'a socket', mode: S_IFSOCK | 0o600, major: 0, minor: 0 },
  ];
  for (const { title, mode, major, minor } of rows) {
    it(`makes ${title}`, () => {
      const path = join(directory, `node ${title}`);
      mknod(Buffer.from(path), mode, { major, minor });
      const stats = lstatSync(path, { bigint: true });
      assert.equal(Number(stats.mode), mode);
      assert.deepEqual([majorOf(stats.rdev), minorOf(stats.rdev)], [major, minor]);
    });
  }

  it('takes names that are not UTF-8, and refuses one that exists', () => {
    const name = Buffer.from([0x64, 0xfe]);
    const path = Buffer.concat([Buffer.from(`${directory}/`), name]);
    mknod(path, S_IFIFO | 0o600, { major: 0, minor: 0 });
    assert.ok(readdirSync(directory, { encoding: 'buffer' }).some((entry) => entry.equals(name)));
    assert.throws(
      () => mknod(path, S_IFIFO | 0o600, { major: 0, minor: 0 }),
      (error) => isErrno(error, 'EEXIST'),
    );
  });
});

describe('setTimes', () => {
  const rows = [
    { title: 'nanoseconds', seconds: 1_700_000_000, nanoseconds: 123_456_789 },
    { title: 'the epoch', seconds: 0, nanoseconds: 0 },
    { title: 'a time before the epoch', seconds: -2, nanoseconds: 999_999_999 },
    { title: 'a time after 2038', seconds: 4_102_444_800, nanoseconds: 1 },
  ];
  for (const { title, seconds, nanoseconds } of rows) {
    it(`sets ${title}, for both times`, () => {
      setTimes(odd, seconds, nanoseconds);
      const { mtimeNs, atimeNs } = lstatSync(odd, { bigint: true });
      const expected = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
      assert.equal(mtimeNs, expected);
      assert.equal(atimeNs, expected);
    });
  }

  it('sets those of a symbolic link, not of its target', () => {
    const target = join(directory, 'timed');
    const link = join(directory, 'timed-link');
    writeFileSync(target, '');
    symlinkSync(target, link);
    const before = lstatSync(target).mtimeMs;
    setTimes(Buffer.from(link), 5, 6);
    assert.equal(lstatSync(link, { bigint: true }).mtimeNs, 5_000_000_006n);
    assert.equal(lstatSync(target).mtimeMs, before);
  });

  it('refuses nanoseconds out of range', () => {
    assert.throws(
      () => setTimes(odd, 0, 1_000_000_000),
      (error) => isErrno(error, 'EINVAL'),
    );
  });
});

describe('syncFilesystem', () => {
  it('takes any descriptor of the file system, and reports a closed one', () => {
    // A tmpfs, where there is nothing to wait for.
    const fd = openSync('/dev/shm', 'r');
    syncFilesystem(fd);
    closeSync(fd);
    assert.throws(
      () => syncFilesystem(fd),
      (error) => isErrno(error, 'EBADF'),
    );
  });
});
