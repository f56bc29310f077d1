/** The sandbox as a process inside a real container finds it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { KNOWN_CAPABILITIES } from '../../../src/core/oci/capability-names.ts';
import { DEFAULT_CAPABILITIES } from '../../../src/core/runtime/capabilities.ts';
import { readHostFacts } from '../../../src/core/runtime/host-facts.ts';
import { MASKED_PATHS, READ_ONLY_PATHS } from '../../../src/core/runtime/masked-paths.ts';
import { findRunc } from '../../../src/core/runtime/runc-program.ts';
import {
  cannotRunContainers,
  controlGroupsOf,
  makeAccounts,
  outputOf,
  runToEnd,
  ScratchDirectory,
  Supervised,
} from './container-fixture.ts';
import { buildProbe, cannotBuildProbe } from './probe.ts';

const skip = cannotRunContainers;

/** The value of a line `name: value` or `name value`. */
function field(text: string, name: string): string | undefined {
  return new RegExp(`^${name}:?\\s+(.*)$`, 'm').exec(text)?.[1]?.trim();
}

function maskOf(names: Iterable<string>): string {
  const bits = [...names].map((name) => 1n << BigInt(KNOWN_CAPABILITIES.indexOf(name)));
  return bits
    .reduce((mask, bit) => mask | bit, 0n)
    .toString(16)
    .padStart(16, '0');
}

describe('a container with no options', { skip }, () => {
  let output: string;
  before(async () => {
    const masked = MASKED_PATHS.map(
      (path) =>
        `[ -e ${path} ] && echo "masked ${path} $(cat ${path} 2>/dev/null | wc -c; ls ${path} | grep -v ^/ | wc -l)"`,
    );
    const writable = READ_ONLY_PATHS.map(
      (path) =>
        `[ -e ${path} ] && { touch ${path}/x || (: > ${path}); } && echo "writable ${path}"`,
    );
    output = await outputOf(`
      cat /proc/self/status
      echo "fds $(ls /proc/self/fd | tr '\\n' ' ')"
      echo "env-begin"; env; echo "env-end"
      echo "id $(id)"
      echo "hostname $(hostname) $(cat /etc/hostname)"
      echo "umask $(umask)"
      echo "cgroup $(grep -c ':/$' /proc/self/cgroup) of $(wc -l < /proc/self/cgroup)"
      echo "net $(ls /sys/class/net)"
      echo "shm $(grep ' /dev/shm ' /proc/mounts)"
      echo "cwd $PWD"
      echo "pids $(cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null)"
      echo "hosts $(head -1 /etc/hosts)"
      ${masked.join('\n')}
      exec 2>/dev/null
      ${writable.join('\n')}
      mkdir /sys/fs/cgroup/mine && echo "writable cgroup"
      mknod /null2 c 1 3 && echo "writable mknod"
      cat /dev/null > /dev/console && echo "writable console"
      (: > /root-is-writable) && echo "root-writable yes"
      exit 0`);
  });

  it("holds podman's eleven capabilities in the bounding, permitted and effective sets", () => {
    const expected = maskOf(DEFAULT_CAPABILITIES);
    assert.equal(DEFAULT_CAPABILITIES.length, 11);
    for (const set of ['CapBnd', 'CapPrm', 'CapEff']) assert.equal(field(output, set), expected);
  });

  it('has no inheritable and no ambient capability', () => {
    assert.equal(field(output, 'CapInh'), '0000000000000000');
    assert.equal(field(output, 'CapAmb'), '0000000000000000');
  });

  it('runs under a seccomp filter', () => assert.equal(field(output, 'Seccomp'), '2'));

  it('has descriptors 0, 1 and 2 only, besides the one that lists them', () => {
    assert.equal(field(output, 'fds'), '0 1 2 3');
  });

  it('has a search path, a host name and a home in its environment, and nothing of ours', () => {
    const names = output
      .slice(output.indexOf('env-begin') + 9, output.indexOf('env-end'))
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]);
    // SHLVL and PWD are the shell's own.
    assert.deepEqual(names.sort(), ['HOME', 'HOSTNAME', 'PATH', 'PWD', 'SHLVL']);
  });

  it('is root with group 0 only', () => assert.equal(field(output, 'id'), 'uid=0 gid=0 groups=0'));

  it('has the first twelve digits of its id as host name, in /etc/hostname too', () => {
    assert.match(field(output, 'hostname') ?? '', /^([0-9a-f]{12}) \1$/);
  });

  it('starts in / with umask 022', () => {
    assert.equal(field(output, 'cwd'), '/');
    assert.equal(field(output, 'umask'), '0022');
  });

  it('sees its control groups as roots', () => {
    assert.match(field(output, 'cgroup') ?? '', /^(\d+) of \1$/);
  });

  it('sees the loopback device only', () => assert.equal(field(output, 'net'), 'lo'));

  it('has 64 MiB of shared memory', () => assert.match(field(output, 'shm') ?? '', /size=65536k/));

  it('may have 2048 processes', () => assert.equal(field(output, 'pids'), '2048'));

  it('knows localhost', () =>
    assert.match(field(output, 'hosts') ?? '', /127\.0\.0\.1\s+localhost/));

  it('reads nothing from masked paths', () => {
    const lines = output.match(/^masked .*\n.*$/gm) ?? [];
    assert.ok(lines.length > 0, 'the control: some of the paths exist on this machine');
    for (const line of lines) assert.match(line, /^masked \S+ 0\n0$/);
  });

  it('writes to no read-only path, no control group, and makes no device', () => {
    assert.doesNotMatch(output, /^writable (?!console)/m);
    assert.match(output, /^root-writable yes$/m, 'the control: its own root is writable');
  });
});

describe('the seccomp filter', { skip: skip || cannotBuildProbe }, () => {
  const refused = 'EPERM';
  const expectations: ReadonlyMap<string, RegExp> = new Map([
    ['socket-unix', /^ok$/],
    ['socket-inet', /^ok$/],
    ['socket-netlink', /^ok$/],
    ['socket-alg', /^EPERM$/],
    ['socket-alg-upper-bits', /^EPERM$/],
    ['socket-vsock', /^EPERM$/],
    ['socket-vsock-upper-bits', /^EPERM$/],
    ['unshare-user', /^EPERM$/],
    ['unshare-mount', /^EPERM$/],
    ['clone-user', /^EPERM$/],
    ['clone3', /^ENOSYS$/],
    ['keyctl', /^EPERM$/],
    ['add_key', /^EPERM$/],
    ['bpf', /^EPERM$/],
    ['io_uring_setup', /^EPERM$/],
    ['userfaultfd', /^EPERM$/],
    ['perf_event_open', /^EPERM$/],
    ['mount', /^EPERM$/],
    ['open_by_handle_at', /^EPERM$/],
    ['kexec_load', /^EPERM$/],
    ['init_module', /^EPERM$/],
    ['reboot', /^EPERM$/],
    ['personality-query', /^ok$/],
    ['personality-no-aslr', /^EPERM$/],
    // A kernel without the 32-bit entry or without x32 refuses by itself.
    ['int80-socketcall', /^(SIGSYS|SIGSEGV)$/],
    ['x32-getpid', /^(SIGSYS|EPERM|ENOSYS)$/],
  ]);
  let confined: string;
  let unconfined: string;
  let scratch: ScratchDirectory;
  before(async () => {
    scratch = new ScratchDirectory();
    const probe = buildProbe(scratch.path);
    const prepare = (rootfs: string) => copyFileSync(probe, join(rootfs, 'bin/probe'));
    confined = await outputOf('probe', { prepare });
    unconfined = await outputOf('probe', {
      prepare,
      options: { seccomp: { kind: 'unconfined' }, capabilitiesAdded: ['CAP_SYS_ADMIN'] },
    });
  });
  after(() => scratch[Symbol.dispose]());

  for (const [call, expected] of expectations) {
    it(`answers ${expected.source} to ${call}`, () => {
      assert.match(field(confined, call) ?? 'no answer', expected);
    });
  }

  it('is what refuses: without it the calls reach the kernel', () => {
    for (const call of ['unshare-mount', 'keyctl', 'socket-vsock', 'personality-no-aslr']) {
      assert.notEqual(field(unconfined, call), refused, call);
    }
    assert.notEqual(field(unconfined, 'int80-socketcall'), 'SIGSYS');
  });
});

describe('descriptors and environment of the supervisor', { skip }, () => {
  it('stay with it: a container sees neither a directory nor a file of ours', async () => {
    const inherited = ['/', '/etc/passwd', '/dev/null'].map((path) => openSync(path, 'r'));
    const many = Array.from({ length: 40 }, (_, index) => inherited[index % 3] ?? 0);
    const request = { inherited: many };
    const output = await outputOf('ls /proc/self/fd | tr "\\n" " "', request);
    for (const fd of inherited) closeSync(fd);
    assert.equal(output.trim(), '0 1 2 3');
  });

  it('stay with it: runc has a search path in its environment and nothing else', async () => {
    await using supervised = new Supervised({
      options: { command: ['/bin/cat'], interactive: true },
      stdin: 'pipe',
      isCopied: true,
    });
    const runcPid = await supervised.reported('runcPid');
    await supervised.reported('startedPid');
    const environment = readFileSync(`/proc/${runcPid}/environ`, 'latin1');
    const descriptors = readFileSync(`/proc/${runcPid}/cmdline`, 'latin1');
    supervised.process.stdin?.end();
    assert.equal((await supervised.ended()).status, 0);
    assert.match(environment, /^PATH=[^\0]*\0$/);
    assert.match(descriptors, /^\/[^\0]*runc\0--root\0/);
  });
});

describe('a container with options', { skip }, () => {
  it('has user, groups, limits, name, mounts, devices and rights as asked', async () => {
    const output = await outputOf(
      `
      echo "id $(id)"; echo "home $HOME"; echo "cwd $PWD"
      echo "nofile $(ulimit -Sn) $(ulimit -Hn)"
      echo "core $(ulimit -Hc)"
      echo "hostname $(hostname)"
      echo "memory $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null)"
      echo "quota $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null)"
      echo "pids $(cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null)"
      echo "tmpfs $(grep ' /scratch ' /proc/mounts)"
      echo "shm $(grep ' /dev/shm ' /proc/mounts)"
      echo "device $(stat -c '%t:%T' /dev/blank)"
      echo "read $(head -c 4 /dev/blank | wc -c)"
      echo "value $A"
      (: > /file) 2>/dev/null || echo "root read-only"
      (: > /scratch/file) && echo "scratch writable"
      cat /proc/self/status`,
      {
        prepare: makeAccounts,
        image: { User: 'app', WorkingDir: '/deep/down', Env: ['A=image', 'junk', '=x'] },
        options: {
          groupAdd: ['7', 'video'],
          rlimits: [
            { type: 'RLIMIT_NOFILE', soft: 100n, hard: 200n },
            { type: 'RLIMIT_CORE', soft: 0n, hard: 0xffff_ffff_ffff_ffffn },
          ],
          hostname: 'box.example',
          memoryBytes: 64 * 1024 * 1024,
          cpus: 0.5,
          pidsLimit: 33,
          readOnly: true,
          mounts: [{ type: 'tmpfs', destination: '/scratch', options: ['size=1m', 'mode=1777'] }],
          shmSizeBytes: 1024 * 1024,
          devices: [{ source: '/dev/zero', destination: '/dev/blank', access: 'r' }],
          environment: [{ name: 'A', value: 'b c\nd' }],
          noNewPrivileges: true,
          capabilitiesAdded: ['CAP_NET_RAW'],
          capabilitiesDropped: ['CAP_CHOWN'],
        },
      },
    );
    assert.equal(
      field(output, 'id'),
      'uid=1000(app) gid=1000(app) groups=7,29(audio),44(video),1000(app)',
    );
    assert.equal(field(output, 'home'), '/home/app');
    assert.equal(field(output, 'cwd'), '/deep/down');
    assert.equal(field(output, 'nofile'), '100 200');
    assert.equal(field(output, 'core'), 'unlimited');
    assert.equal(field(output, 'hostname'), 'box.example');
    assert.equal(field(output, 'memory'), String(64 * 1024 * 1024));
    assert.match(field(output, 'quota') ?? '', /^(50000)?$/);
    assert.equal(field(output, 'pids'), '33');
    assert.match(field(output, 'tmpfs') ?? '', /tmpfs rw,nosuid,nodev,noexec,.*size=1024k/);
    assert.match(field(output, 'shm') ?? '', /size=1024k/);
    assert.equal(field(output, 'device'), '1:5');
    assert.equal(field(output, 'read'), '4');
    assert.match(output, /^value b c\nd$/m);
    assert.match(output, /^root read-only$/m);
    assert.match(output, /^scratch writable$/m);
    assert.equal(field(output, 'NoNewPrivs'), '1');
    // Another user than root has nothing, and may get back at most the bounding set.
    assert.equal(field(output, 'CapEff'), '0000000000000000');
    const bounding = [...DEFAULT_CAPABILITIES, 'CAP_NET_RAW'].filter((c) => c !== 'CAP_CHOWN');
    assert.equal(field(output, 'CapBnd'), maskOf(bounding));
  });

  it('with --privileged holds all that we hold, sees every device and writes below /proc/sys', async () => {
    const output = await outputOf(
      `cat /proc/self/status; ls /dev; [ -w /proc/sys/kernel/hostname ] && echo "sys writable"
       cat /proc/keys > /dev/null && echo "keys readable"`,
      { options: { privileged: true } },
    );
    assert.equal(field(output, 'CapEff'), maskOf(readHostFacts().capabilities));
    assert.equal(field(output, 'CapInh'), '0000000000000000');
    assert.equal(field(output, 'Seccomp'), '0');
    assert.match(output, /^kmsg$/m);
    assert.match(output, /^sys writable$/m);
  });

  it('with --network host has our devices, host name and hosts file', async () => {
    const output = await outputOf('ls /sys/class/net; hostname; cat /etc/hosts', {
      options: { network: 'host' },
    });
    const facts = readHostFacts();
    assert.match(output, new RegExp(`^${facts.hostname}$`, 'm'));
    if (existsSync('/etc/hosts')) {
      assert.ok(output.endsWith(readFileSync('/etc/hosts', 'utf8')));
    }
  });

  it('with a seccomp profile of the user is filtered by that one', async () => {
    const text = JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }],
    });
    const output = await outputOf('mkdir /x 2>&1 || true; echo after', {
      options: { seccomp: { kind: 'profile', text, path: 'no-mkdir.json' } },
    });
    assert.match(output, /No space left on device\nafter\n$/);
  });

  it('does not start when its seccomp profile cannot be applied', async () => {
    const text = '{"defaultAction":"SCMP_ACT_NONSENSE"}';
    const end = await runToEnd({ options: { seccomp: { kind: 'profile', text, path: 'bad' } } });
    assert.equal(end.status, 125);
    assert.equal(end.isStarted, false);
    assert.equal(end.code, 'RUNTIME_FAILED');
  });

  it('with --init has the init program first and its own command below it', async (t) => {
    const end = await runToEnd({
      options: { init: true, command: ['/bin/sh', '-c', 'cat /proc/1/cmdline; exit 9'] },
    });
    if (end.code === 'HOST_UNSUPPORTED') {
      t.skip('no statically linked tini or catatonit on this machine');
      return;
    }
    assert.equal(end.status, 9);
    assert.ok(end.stdout.startsWith('/sbin/docker-init\0--\0/bin/sh\0'));
  });

  it('warns about a capability that it was asked for and does not hold itself', async (t) => {
    const missing = KNOWN_CAPABILITIES.find((name) => !readHostFacts().capabilities.has(name));
    if (missing === undefined) {
      t.skip('this process holds every capability');
      return;
    }
    const asked = await runToEnd({ options: { capabilitiesAdded: [missing] } });
    assert.equal(asked.status, 0);
    assert.match(asked.warnings?.join() ?? '', new RegExp(missing));
    const all = await runToEnd({ options: { capabilitiesAdded: ['ALL'] } });
    assert.equal(all.status, 0);
    assert.deepEqual(all.warnings, []);
  });
});

describe('what a container leaves behind', { skip }, () => {
  it('is an unchanged runc, also when its program is /proc/self/exe (CVE-2019-5736)', async () => {
    const digest = () => createHash('sha256').update(readFileSync(findRunc())).digest('hex');
    const before = digest();
    await runToEnd({
      prepare: (rootfs) => {
        writeFileSync(join(rootfs, 'bin/self'), '#!/proc/self/exe\n');
        chmodSync(join(rootfs, 'bin/self'), 0o755);
      },
      options: { command: ['/bin/self'] },
    });
    assert.equal(digest(), before);
  });

  it('is nothing: no control group, no state of runc, no mount', async () => {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    await using supervised = new Supervised({
      options: { command: ['/bin/cat'], interactive: true },
      stdin: 'pipe',
    });
    await supervised.reported('startedPid');
    assert.ok(controlGroupsOf(supervised.containerId).length > 0, 'the control: it has groups');
    supervised.process.stdin?.end();
    assert.equal((await supervised.ended()).status, 0);
    assert.deepEqual(controlGroupsOf(supervised.containerId), []);
    assert.equal(existsSync(join(supervised.runtimeRoot, supervised.containerId)), false);
    assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), mounts);
  });
});
