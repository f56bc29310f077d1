import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  cgroupVersion,
  filesystemType,
  hasFilesystem,
  kernelRelease,
  probeErofsFile,
  probeErofsLoop,
  probeOverlay,
} from '../../../src/core/host/kernel-features.ts';
import { isErrno } from '../../../src/core/host/libc.ts';
import { parseLimits, readLimits, UNLIMITED } from '../../../src/core/host/resource-limits.ts';

const MODULE = new URL('../../../src/core/host/kernel-features.ts', import.meta.url).href;
const isRoot = process.getuid?.() === 0;

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'features-'));
});
after(() => rmSync(directory, { recursive: true }));

describe('facts about the kernel', () => {
  it('has the release that uname prints', () => {
    assert.equal(`${kernelRelease()}\n`, execFileSync('uname', ['-r']).toString());
  });

  it('names the file system of a path as stat does', () => {
    for (const path of ['/proc', '/dev/shm', '/sys']) {
      const expected = execFileSync('stat', ['-f', '-c', '%T', path]).toString().trim();
      assert.equal(filesystemType(path), expected);
    }
    const here = execFileSync('stat', ['-f', '-c', '%T', directory]).toString().trim();
    assert.equal(filesystemType(directory), here === 'ext2/ext3' ? 'ext4' : here);
    assert.throws(
      () => filesystemType('/nowhere'),
      (error) => isErrno(error, 'ENOENT'),
    );
  });

  it('knows the drivers that are there, and that one is not', () => {
    assert.equal(hasFilesystem('proc'), true);
    assert.equal(hasFilesystem('overlay'), true);
    assert.equal(hasFilesystem('nodev'), false);
    assert.equal(hasFilesystem('no-such-type'), false);
    assert.equal(hasFilesystem(''), false);
  });

  const memory = 'cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0';
  const rows = [
    { version: 'v2', mounts: ['none /sys/fs/cgroup cgroup2 rw,nosuid 0 0'] },
    { version: 'v1', mounts: ['tmpfs /sys/fs/cgroup tmpfs ro 0 0', memory] },
    { version: 'hybrid', mounts: [memory, 'cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0'] },
    { version: 'none', mounts: ['proc /proc proc rw 0 0', 'cgroup2 /mnt ext4 rw 0 0'] },
  ];
  for (const { version, mounts } of rows) {
    it(`tells control groups that are ${version}`, () => {
      assert.equal(cgroupVersion(`${mounts.join('\n')}\n`), version);
    });
  }

  it('finds the control groups of this host', () => {
    const type = execFileSync('stat', ['-f', '-c', '%T', '/sys/fs/cgroup']).toString().trim();
    assert.equal(cgroupVersion() === 'v2', type === 'cgroup2fs');
  });
});

describe('a probe', () => {
  it('says why it failed when the directory is missing, instead of throwing', () => {
    for (const probe of [probeErofsFile, probeErofsLoop, probeOverlay]) {
      const result = probe('/nowhere');
      assert.ok(!result.ok);
      assert.match(result.reason, /^mkdtemp failed while probing in "\/nowhere": ENOENT/);
    }
  });

  it(
    'says why it failed without privilege, and leaves nothing',
    isRoot ? {} : { skip: 'root' },
    () => {
      const program = `
      import * as features from ${JSON.stringify(MODULE)};
      process.setgroups([]);
      process.setgid(65534);
      process.setuid(65534);
      const probes = [features.probeErofsFile, features.probeErofsLoop, features.probeOverlay];
      console.log(JSON.stringify(probes.map((probe) => probe(process.argv[1]))));
    `;
      const open = join(directory, 'open');
      execFileSync('install', ['-d', '-m', '0777', open]);
      execFileSync('chmod', ['0755', directory]);
      const output = execFileSync(process.execPath, ['--input-type=module', '-e', program, open]);
      const results = JSON.parse(output.toString().split('\n')[0] ?? '');
      assert.equal(results.length, 3);
      for (const { ok, reason } of results) {
        assert.equal(ok, false);
        assert.match(reason, /EPERM|EACCES/);
      }
      assert.deepEqual(readdirSync(open), []);
    },
  );
});

describe('readLimits', () => {
  it('agrees with ulimit', () => {
    const limits = readLimits();
    const ulimit = (flags: string) =>
      execFileSync('/bin/bash', ['-c', `ulimit ${flags}`])
        .toString()
        .trim();
    const asLimit = (word: string) => (word === 'unlimited' ? UNLIMITED : BigInt(word));
    assert.equal(limits.get('RLIMIT_NOFILE')?.hard, asLimit(ulimit('-Hn')));
    assert.equal(limits.get('RLIMIT_NPROC')?.soft, asLimit(ulimit('-Su')));
    assert.equal(limits.get('RLIMIT_CPU')?.hard, asLimit(ulimit('-Ht')));
    assert.equal(limits.size, 16);
  });

  it('reads every form of a line, and leaves out what it does not know', () => {
    const text = [
      'Limit                     Soft Limit           Hard Limit           Units     ',
      'Max stack size            8388608              unlimited            bytes     ',
      'Max nice priority         0                    20                   ',
      'Max new thing             1                    2                    bytes     ',
      'Max address space         18446744073709551614 unlimited            bytes     ',
      '',
    ].join('\n');
    assert.deepEqual(
      [...parseLimits(text)],
      [
        ['RLIMIT_STACK', { soft: 8_388_608n, hard: UNLIMITED }],
        ['RLIMIT_NICE', { soft: 0n, hard: 20n }],
        ['RLIMIT_AS', { soft: 18_446_744_073_709_551_614n, hard: UNLIMITED }],
      ],
    );
  });
});
