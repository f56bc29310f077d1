import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isErrno } from '../../../src/core/host/libc.ts';
import { assertErofsFilesAreSafe } from '../../../src/core/host/mount.ts';

const SCENARIOS = fileURLToPath(new URL('./mount-scenarios.ts', import.meta.url));
const needsRoot = process.getuid?.() === 0 ? {} : { skip: 'needs root' };

let base: string;
let directory: string;
let mountsBefore: string;

before(() => {
  // A tmpfs: the ext4 images are large and never need the disk.
  base = mkdtempSync('/dev/shm/mount-test-');
});
beforeEach(() => {
  directory = mkdtempSync(join(base, 'scenario-'));
  mountsBefore = readFileSync('/proc/self/mountinfo', 'utf8');
});
after(async () => {
  // Loop devices go with the processes that had them, a moment later.
  while (loopFiles().some((file) => file.startsWith(base))) {
    await new Promise(setImmediate);
  }
  rmSync(base, { recursive: true });
});

function loopFiles(): string[] {
  return readdirSync('/sys/block').flatMap((device) => {
    try {
      return [readFileSync(`/sys/block/${device}/loop/backing_file`, 'utf8')];
    } catch {
      return [];
    }
  });
}

/** What the scenario saw; afterwards nothing of it is left mounted, here or anywhere. */
function run(scenario: string) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [SCENARIOS, scenario, directory], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8').includes(directory), false);
  return JSON.parse(stdout);
}

describe('unsharePrivateMounts', needsRoot, () => {
  it('hides every mount from the host, while it is there and afterwards', async () => {
    const child = spawn(process.execPath, [SCENARIOS, 'privacy', directory], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [first] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    assert.equal(String(first), 'mounted\n');
    assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), mountsBefore);
    assert.deepEqual(readdirSync(join(directory, 'private')), []);
    assert.ok(existsSync(`/proc/${child.pid}/root${directory}/private/seen`), 'it is there');
    child.stdin.end();
    assert.equal(await text(child.stdout), 'true\n');
    assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), mountsBefore);
  });
});

describe('unsharePrivateMounts on a host with shared mounts', needsRoot, () => {
  it('lets mounts of the host in, and none out', () => {
    assert.deepEqual(run('propagation'), { host: [false, true], us: [true, true] });
  });
});

describe('mountTmpfs', needsRoot, () => {
  it('has the mode and the size, and no setuid bits or devices', () => {
    const { mode, sizeBytes, options } = run('tmpfs');
    assert.equal(mode, 0o751);
    assert.equal(sizeBytes, 1 << 20);
    assert.ok(options.includes('nosuid') && options.includes('nodev'));
  });
});

describe('mountErofs and mountErofsOverLoop', needsRoot, () => {
  it('mount what mkfs.erofs makes, in one file or with a device, read-only', () => {
    const results = run('erofs-made-by-mkfs');
    assert.equal(results.length, 4);
    for (const { files, options } of results) {
      assert.deepEqual(files, [
        ['big', true],
        ['file', true],
      ]);
      for (const option of ['ro', 'nosuid', 'nodev']) {
        assert.ok(options.includes(option), option);
      }
    }
  });

  it('take the devices in order, under names of any length, and count them', () => {
    const { descriptors, ...seen } = run('erofs-two-devices');
    const zeros = '\0'.repeat(5);
    assert.deepEqual(seen, {
      inOrder: 'dray\n',
      swapped: zeros,
      inOrderOverLoop: 'dray\n',
      swappedOverLoop: zeros,
      tooFew: 'EINVAL',
      tooMany: 'EINVAL',
      missing: 'ENOENT',
      missingOverLoop: 'ENOENT',
    });
    assert.ok(descriptors < 40, 'no descriptor is left open');
  });

  it('go on reading when the files are unlinked', () => {
    assert.equal(run('erofs-unlinked'), 'dray\n');
  });

  it('report ENOTBLK for an image on tmpfs, and name it', () => {
    const [isExpected, message] = run('erofs-on-tmpfs');
    assert.equal(isExpected, true, message);
    assert.match(message, /\/image": ENOTBLK \(block device required\)\.$/);
  });

  const kernels = [
    { release: '6.12.0', pageSize: 65_536, isSafe: false },
    { release: '6.12.1-arm64', pageSize: 16_384, isSafe: false },
    { release: '6.12.0', pageSize: 4096, isSafe: true },
    { release: '6.12.10', pageSize: 65_536, isSafe: true },
    { release: '6.12.2', pageSize: 65_536, isSafe: true },
    { release: '6.1.12', pageSize: 65_536, isSafe: true },
  ];
  for (const kernel of kernels) {
    const { release, pageSize, isSafe } = kernel;
    it(`${isSafe ? 'try' : 'do not try'} Linux ${release} with pages of ${pageSize} bytes`, () => {
      if (isSafe) {
        assertErofsFilesAreSafe(kernel);
      } else {
        assert.throws(
          () => assertErofsFilesAreSafe(kernel),
          (error) => isErrno(error, 'ENOTSUP'),
        );
      }
    });
  }
});

describe('mountOverlay', needsRoot, () => {
  it('takes paths with every character that has a meaning in mount options', () => {
    const { names, content, options, upper, lower, descriptors } = run('overlay');
    assert.deepEqual(names, ['a', 'b']);
    assert.equal(content, 'upper one', 'the first lower directory is the uppermost');
    assert.equal(lower, 'upper one', 'and stays as it was');
    assert.deepEqual(upper, ['a', 'b']);
    assert.ok(options.includes('redirect_dir=nofollow'));
    assert.ok(options.includes('volatile') || options.includes('fsync=volatile'), options);
    assert.ok(descriptors < 40, 'no descriptor is left open');
  });

  it('takes more lower directories than fit in one option, and syncs unless volatile', () => {
    const { count, options } = run('many-lower-directories');
    assert.equal(count, 40);
    assert.ok(!options.some((option: string) => option.endsWith('volatile')));
  });

  it('is not steered by the attributes of a lower directory', () => {
    const { control, redirected } = run('overlay-obeys-no-lower-directory');
    assert.equal(control, true);
    assert.equal(redirected, false);
  });
});

describe('unmount', needsRoot, () => {
  it('reports what is in use, follows no link, and detaches on request', () => {
    assert.deepEqual(run('unmounting'), {
      busy: 'EBUSY',
      throughLink: 'EINVAL',
      gone: true,
      again: 'EINVAL',
    });
  });
});

describe('the probes', needsRoot, () => {
  it('say what works on which file system, leave nothing, and attach no mount', () => {
    const { results, isUnchanged, descriptors } = run('probes');
    const seen = results.map(([name, probes, leftovers]: [string, { ok: boolean }[], string[]]) => [
      name,
      probes.map(({ ok }) => ok),
      leftovers,
    ]);
    assert.deepEqual(seen, [
      ['ext4', [true, true, true], []],
      ['tmpfs', [false, true, true], []],
      ['overlay', [false, true, false], []],
      ['odd', [true, true, true], []],
    ]);
    for (const [, probes] of results) {
      for (const { ok, reason } of probes) {
        assert.ok(ok || /^fsconfig failed for .*\.$/.test(reason), reason);
      }
    }
    assert.equal(isUnchanged, true);
    assert.ok(descriptors < 40, 'no descriptor is left open');
  });
});
