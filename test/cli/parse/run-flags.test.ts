import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Command, Config } from '@oclif/core';
import { canonicalArguments } from '../../../src/cli/argv.ts';
import { parseRunFlags, runFlags } from '../../../src/cli/run-flags.ts';
import { EngineError } from '../../../src/core/errors.ts';
import type { RunOptions } from '../../../src/core/runtime/run-options.ts';

let cwd: string;
before(() => {
  cwd = mkdtempSync(join(tmpdir(), 'run-flags-'));
  writeFileSync(
    join(cwd, 'env'),
    '\uFEFF# comment\n\n  A=1\nB="quoted"\nFROM_HOST\nNOT_THERE\nC=a=b \r\n',
  );
  writeFileSync(join(cwd, 'more'), 'A=2\n');
  writeFileSync(join(cwd, 'bad-name'), 'A B=1\n');
  writeFileSync(join(cwd, 'no-name'), '=1\n');
  writeFileSync(join(cwd, 'nul'), 'A=\0\n');
  writeFileSync(join(cwd, 'latin1'), Buffer.from('A=\xff\n', 'latin1'));
  writeFileSync(join(cwd, 'profile.json'), '{"defaultAction":"SCMP_ACT_LOG"}');
});
after(() => rmSync(cwd, { recursive: true }));

/** Parses as `dray run` does: the canonical form of the arguments, then oclif itself. */
async function parse(...argv: string[]): Promise<RunOptions> {
  class Run extends Command {
    static override flags = runFlags;
    static override strict = false;
    async run(): Promise<unknown> {
      return (await this.parse(Run)).flags;
    }
  }
  const { argv: canonical } = canonicalArguments(argv, runFlags, { stopsAtPositional: true });
  const config = await Config.load({
    root: cwd,
    pjson: { name: 'x', version: '0', oclif: {} },
  } as never);
  const flags = (await new Run([...canonical], config).run()) as never;
  return parseRunFlags(flags, 'image', ['a', 'a', '--help'], { env: { FROM_HOST: 'host' }, cwd });
}

async function refuses(argv: readonly string[]): Promise<void> {
  await assert.rejects(parse(...argv), (error) => {
    assert.ok(error instanceof EngineError, String(error));
    assert.equal(error.code, 'USAGE_INVALID');
    assert.doesNotMatch(error.message, /\n$/);
    return true;
  });
}

describe('parseRunFlags', () => {
  it('has safe defaults, and leaves the command as it is', async () => {
    assert.deepEqual(await parse(), {
      image: 'image',
      command: ['a', 'a', '--help'],
      labels: new Map(),
      annotations: new Map(),
      removeOnExit: false,
      interactive: false,
      tty: false,
      quiet: false,
      pullPolicy: 'new',
      ignoresSignatures: false,
      environment: [],
      groupAdd: [],
      mounts: [],
      devices: [],
      readOnly: false,
      shmSizeBytes: 64 * 1024 * 1024,
      network: { kind: 'own', joins: [{ name: 'default', ips: [], aliases: [] }] },
      privileged: false,
      capabilitiesAdded: [],
      capabilitiesDropped: [],
      noNewPrivileges: false,
      seccomp: { kind: 'default' },
      rlimits: [],
      init: false,
    });
  });

  const bind = {
    type: 'bind',
    readOnly: false,
    createSource: true,
    recursive: true,
    propagation: 'rprivate',
  };
  const volume = { type: 'volume', destination: '/d', readOnly: false, copyUp: true };
  const rows: [argv: string, expected: () => object][] = [
    ['--rm -it -q', () => ({ removeOnExit: true, interactive: true, tty: true, quiet: true })],
    ['-h box --name n -u app:7', () => ({ hostname: 'box', name: 'n', user: 'app:7' })],
    ['-w /w --workdir=/v', () => ({ workingDirectory: '/v' })],
    ['--network host', () => ({ network: 'host' })],
    ['--net none', () => ({ network: 'none' })],
    ['--entrypoint sh', () => ({ entrypoint: ['sh'] })],
    ['--entrypoint=', () => ({ entrypoint: [] })],
    ['--entrypoint ["sh","-c"]', () => ({ entrypoint: ['sh', '-c'] })],
    ['--entrypoint [', () => ({ entrypoint: ['['] })],
    ['--entrypoint []', () => ({ entrypoint: [] })],
    ['--entrypoint [x]', () => ({ entrypoint: ['[x]'] })],
    [
      '-e A=1 -e B -e FROM_HOST --env C=a=b',
      () => ({
        environment: [
          { name: 'A', value: '1' },
          { name: 'B', value: undefined },
          { name: 'FROM_HOST', value: 'host' },
          { name: 'C', value: 'a=b' },
        ],
      }),
    ],
    [
      '-e A=9 --env-file env --env-file more',
      () => ({
        environment: [
          { name: 'A', value: '1' },
          { name: 'B', value: '"quoted"' },
          { name: 'FROM_HOST', value: 'host' },
          { name: 'C', value: 'a=b ' },
          { name: 'A', value: '2' },
          { name: 'A', value: '9' },
        ],
      }),
    ],
    ['-v /s:/d', () => ({ mounts: [{ ...bind, source: '/s', destination: '/d' }] })],
    [
      '-v ./s:/d:ro,Z',
      () => ({ mounts: [{ ...bind, source: join(cwd, 's'), destination: '/d', readOnly: true }] }),
    ],
    [
      '-v ..:/d:rslave',
      () => ({
        mounts: [{ ...bind, source: join(cwd, '..'), destination: '/d', propagation: 'rslave' }],
      }),
    ],
    ['-v name_1.x:/d:nocopy', () => ({ mounts: [{ ...volume, name: 'name_1.x', copyUp: false }] })],
    ['-v /d', () => ({ mounts: [volume] })],
    [
      '--mount type=bind,src=/s,dst=/d,readonly',
      () => ({
        mounts: [{ ...bind, source: '/s', destination: '/d', readOnly: true, createSource: false }],
      }),
    ],
    [
      '--mount type=bind,source=s,target=/d,bind-propagation=slave,bind-nonrecursive=true,ro=false',
      () => ({
        mounts: [
          {
            ...bind,
            source: join(cwd, 's'),
            destination: '/d',
            createSource: false,
            recursive: false,
            propagation: 'slave',
          },
        ],
      }),
    ],
    ['--mount target=/d', () => ({ mounts: [volume] })],
    [
      '--mount source=vol,target=/d,volume-nocopy',
      () => ({ mounts: [{ ...volume, name: 'vol', copyUp: false }] }),
    ],
    [
      '--mount type=bind,"src=/a,""b",dst=/d',
      () => ({ mounts: [{ ...bind, source: '/a,"b', destination: '/d', createSource: false }] }),
    ],
    [
      '--mount type=tmpfs,dst=/d,tmpfs-size=1m,tmpfs-mode=1770',
      () => ({
        mounts: [{ type: 'tmpfs', destination: '/d', options: ['size=1048576', 'mode=1770'] }],
      }),
    ],
    [
      '--tmpfs /d --tmpfs /e:size=1m,exec',
      () => ({
        mounts: [
          { type: 'tmpfs', destination: '/d', options: [] },
          { type: 'tmpfs', destination: '/e', options: ['size=1m', 'exec'] },
        ],
      }),
    ],
    [
      '--memory 512m --shm-size 1g',
      () => ({ memoryBytes: 512 * 1024 ** 2, shmSizeBytes: 1024 ** 3 }),
    ],
    ['-m 1.5GiB', () => ({ memoryBytes: 1.5 * 1024 ** 3 })],
    ['-m 1048576', () => ({ memoryBytes: 1048576 })],
    ['-m 64kb', () => ({ memoryBytes: 65536 })],
    ['--cpus 1.5', () => ({ cpus: 1.5 })],
    ['--cpus .5 --pids-limit 5', () => ({ cpus: 0.5, pidsLimit: 5 })],
    ['--pids-limit=-1', () => ({ pidsLimit: 'unlimited' })],
    ['--pids-limit 0', () => ({ pidsLimit: 'unlimited' })],
    [
      '--ulimit nofile=1:2 --ulimit core=-1',
      () => ({
        rlimits: [
          { type: 'RLIMIT_NOFILE', soft: 1n, hard: 2n },
          { type: 'RLIMIT_CORE', soft: 2n ** 64n - 1n, hard: 2n ** 64n - 1n },
        ],
      }),
    ],
    [
      '--device /dev/fuse',
      () => ({ devices: [{ source: '/dev/fuse', destination: '/dev/fuse', access: 'rwm' }] }),
    ],
    [
      '--device /dev/fuse:r',
      () => ({ devices: [{ source: '/dev/fuse', destination: '/dev/fuse', access: 'r' }] }),
    ],
    [
      '--device /dev/a:/dev/b:rw',
      () => ({ devices: [{ source: '/dev/a', destination: '/dev/b', access: 'rw' }] }),
    ],
    [
      '--cap-add net_raw --cap-drop ALL',
      () => ({ capabilitiesAdded: ['CAP_NET_RAW'], capabilitiesDropped: ['ALL'] }),
    ],
    ['--privileged --read-only --init', () => ({ privileged: true, readOnly: true, init: true })],
    ['--security-opt no-new-privileges', () => ({ noNewPrivileges: true })],
    ['--security-opt no-new-privileges:true', () => ({ noNewPrivileges: true })],
    ['--security-opt no-new-privileges=false', () => ({ noNewPrivileges: false })],
    ['--security-opt seccomp=unconfined', () => ({ seccomp: { kind: 'unconfined' } })],
    [
      '--security-opt seccomp:unconfined --security-opt apparmor=unconfined',
      () => ({ seccomp: { kind: 'unconfined' } }),
    ],
    [
      '--security-opt seccomp=profile.json',
      () => ({
        seccomp: {
          kind: 'profile',
          text: '{"defaultAction":"SCMP_ACT_LOG"}',
          path: join(cwd, 'profile.json'),
        },
      }),
    ],
    [
      '--label a=b -l c -l __proto__=x',
      () => ({
        labels: new Map([
          ['a', 'b'],
          ['c', ''],
          ['__proto__', 'x'],
        ]),
      }),
    ],
    ['--annotation a=b=c', () => ({ annotations: new Map([['a', 'b=c']]) })],
    ['--cidfile id', () => ({ cidFile: join(cwd, 'id') })],
    ['--pull always', () => ({ pullPolicy: 'update' })],
    ['--pull never', () => ({ pullPolicy: 'never' })],
    ['--platform linux/arm64', () => ({ platform: { os: 'linux', architecture: 'arm64' } })],
    ['--stop-signal RTMIN+3 --stop-timeout 3', () => ({ stopSignal: 37, stopTimeoutSeconds: 3 })],
    ['--group-add audio --group-add 7', () => ({ groupAdd: ['audio', '7'] })],
  ];
  for (const [argv, expected] of rows) {
    it(`understands ${argv}`, async () => {
      const options = await parse(...argv.split(' '));
      for (const [key, value] of Object.entries(expected())) {
        assert.deepEqual(options[key as keyof RunOptions], value, key);
      }
    });
  }

  it('keeps blanks, newlines and quotes of a value', async () => {
    const options = await parse('-e', 'A= b\n"c"', '--label', 'k=\n');
    assert.equal(options.environment[0]?.value, ' b\n"c"');
    assert.equal(options.labels.get('k'), '\n');
  });

  const hostile: string[][] = [
    ['-e', '=x'],
    ['-e', 'A=\0'],
    ['-e', ''],
    ['--label', '=x'],
    ['--label', 'a=\0'],
    ['--env-file', 'missing'],
    ['--env-file', 'bad-name'],
    ['--env-file', 'no-name'],
    ['--env-file', 'nul'],
    ['--env-file', 'latin1'],
    ['--entrypoint', '[1]'],
    ['--entrypoint', '["a",1]'],
    ['--entrypoint', '[["a"]]'],
    ['-v', ''],
    ['-v', ':'],
    ['-v', 'relative'],
    ['-v', '/s:relative'],
    ['-v', '/s:/d:ro:x'],
    ['-v', '/s:/d:wat'],
    ['-v', '/s:/d:rshared'],
    ['-v', '/s:/d:shared'],
    ['-v', 'a/b:/d'],
    ['-v', '-name:/d'],
    ['-v', `${'n'.repeat(300)}:/d`],
    ['--mount', ''],
    ['--mount', 'type=nfs,dst=/d'],
    ['--mount', 'type=bind,dst=/d'],
    ['--mount', 'type=bind,src=/s'],
    ['--mount', 'type=bind,src=/s,dst=relative'],
    ['--mount', 'type=bind,src=/s,dst=/d,dst=/e'],
    ['--mount', 'type=bind,src=/s,dst=/d,volume-nocopy'],
    ['--mount', 'type=bind,src=/s,dst=/d,readonly=maybe'],
    ['--mount', 'type=bind,src=/s,dst=/d,bind-propagation=rshared'],
    ['--mount', 'type=bind,"src=/s,dst=/d'],
    ['--mount', 'type=tmpfs,dst=/d,tmpfs-mode=rwx'],
    ['--mount', 'type=volume,src=../x,dst=/d'],
    ['--tmpfs', 'relative'],
    ['--tmpfs', '/d:lowerdir=/etc'],
    ['--tmpfs', '/d:size=lots'],
    ['-m', ''],
    ['-m', '1x'],
    ['-m', '-1'],
    ['-m', '1e400'],
    ['-m', '99999999999999999999'],
    ['--shm-size', 'NaN'],
    ['--cpus', 'all'],
    ['--cpus', '-1'],
    ['--cpus', '1e3'],
    ['--pids-limit=-2'],
    ['--pids-limit', '1.5'],
    ['--ulimit', 'nofile'],
    ['--ulimit', 'nofile=2:1'],
    ['--ulimit', 'nope=1'],
    ['--ulimit', 'constructor=1'],
    ['--ulimit', 'nofile=18446744073709551616'],
    ['--device', 'relative'],
    ['--device', 'vendor.com/class=name'],
    ['--device', '/dev/a:/dev/b:rwx'],
    ['--device', '/dev/a:/dev/b:r:w'],
    ['--cap-add', 'NOPE'],
    ['--security-opt', 'apparmor=docker-default'],
    ['--security-opt', 'label=type:container_t'],
    ['--security-opt', 'no-new-privileges=maybe'],
    ['--security-opt', 'seccomp=missing.json'],
    ['--network', 'a b'],
    ['--net', 'container:'],
    ['--network', 'a:colour=red'],
    ['-p', '80:70:60:50'],
    ['-p', '0:80'],
    ['-p', '1-3:1-2'],
    ['-p', '80/icmp'],
    ['--mac-address', '01:00:00:00:00:00'],
    ['--add-host', 'db'],
    ['--dns', 'one.one'],
    ['--pull', 'sometimes'],
    ['--platform', 'linux/'],
    ['--stop-signal', 'NOPE'],
    ['--stop-timeout', 'soon'],
    ['-h', 'two\nlines'],
    ['-h', '.leading'],
    ['-h', 'x'.repeat(65)],
    ['-h', ''],
  ];
  for (const argv of hostile) {
    it(`refuses ${JSON.stringify(argv).slice(0, 80)}`, () => refuses(argv));
  }
});
