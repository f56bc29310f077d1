/** The pure parts of the runtime config: no directory, no process. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import { KNOWN_CAPABILITIES, parseCapability } from '../../../src/core/oci/capability-names.ts';
import { RLIM_INFINITY } from '../../../src/core/oci/rlimit-names.ts';
import { parseSignal } from '../../../src/core/oci/signals.ts';
import {
  capabilitySets,
  chooseCapabilities,
  DEFAULT_CAPABILITIES,
} from '../../../src/core/runtime/capabilities.ts';
import { defaultMounts, mergeMounts } from '../../../src/core/runtime/default-mounts.ts';
import { containerEnvironment } from '../../../src/core/runtime/environment.ts';
import { hardLimits, heldCapabilities } from '../../../src/core/runtime/host-facts.ts';
import { processArgs } from '../../../src/core/runtime/process-args.ts';
import { containerResources } from '../../../src/core/runtime/resources.ts';
import { chooseRlimits } from '../../../src/core/runtime/rlimits.ts';
import type { RunOptions } from '../../../src/core/runtime/run-options.ts';
import { knownHoles } from '../../../src/core/runtime/runc-program.ts';
import {
  buildRuntimeConfig,
  encodeRuntimeConfig,
} from '../../../src/core/runtime/runtime-config.ts';
import { isAtLeast, parseSeccompFile } from '../../../src/core/runtime/seccomp-file.ts';
import { defaultSeccompFilter } from '../../../src/core/runtime/seccomp-profile.ts';
import { hostFacts, runOptions } from './container-fixture.ts';

function refuses(code: string, action: () => unknown): void {
  assert.throws(action, (error) => error instanceof EngineError && error.code === code);
}

describe('chooseCapabilities', () => {
  const all = new Set(KNOWN_CAPABILITIES);
  const none = { added: [], dropped: [], privileged: false };
  const rows: [name: string, request: Partial<typeof none> | object, granted: readonly string[]][] =
    [
      ['gives the defaults', {}, DEFAULT_CAPABILITIES],
      ['adds', { added: ['CAP_NET_RAW'] }, [...DEFAULT_CAPABILITIES, 'CAP_NET_RAW']],
      ['drops', { dropped: ['CAP_KILL'] }, DEFAULT_CAPABILITIES.filter((c) => c !== 'CAP_KILL')],
      ['drops all', { dropped: ['ALL'] }, []],
      ['drops all but what is added', { dropped: ['ALL'], added: ['CAP_CHOWN'] }, ['CAP_CHOWN']],
      ['adds all', { added: ['ALL'] }, KNOWN_CAPABILITIES],
      [
        'adds all but what is dropped',
        { added: ['ALL'], dropped: ['CAP_SYS_ADMIN'] },
        KNOWN_CAPABILITIES.filter((c) => c !== 'CAP_SYS_ADMIN'),
      ],
      ['gives all to a privileged container', { privileged: true }, KNOWN_CAPABILITIES],
      [
        'drops what is also added',
        { added: ['CAP_NET_RAW'], dropped: ['CAP_NET_RAW'] },
        DEFAULT_CAPABILITIES,
      ],
    ];
  for (const [name, request, granted] of rows) {
    it(name, () => {
      const choice = chooseCapabilities({ ...none, ...request }, all);
      assert.deepEqual([...choice.granted].sort(), [...granted].sort());
      assert.deepEqual(choice.missing, []);
    });
  }

  it('never asks for what we lack, and reports only what was named', () => {
    const held = new Set(['CAP_CHOWN', 'CAP_KILL']);
    const named = chooseCapabilities({ ...none, added: ['CAP_SYS_ADMIN'] }, held);
    assert.deepEqual(named, { granted: ['CAP_CHOWN', 'CAP_KILL'], missing: ['CAP_SYS_ADMIN'] });
    assert.deepEqual(chooseCapabilities({ ...none, privileged: true }, held).missing, []);
    assert.deepEqual(chooseCapabilities({ ...none, added: ['ALL'] }, held).missing, []);
  });

  it('has nothing inheritable or ambient, and nothing effective for another user than root', () => {
    assert.deepEqual(capabilitySets(['CAP_KILL'], 0), {
      bounding: ['CAP_KILL'],
      effective: ['CAP_KILL'],
      permitted: ['CAP_KILL'],
      inheritable: [],
      ambient: [],
    });
    const { bounding, effective, permitted } = capabilitySets(['CAP_KILL'], 1);
    assert.deepEqual([bounding, effective, permitted], [['CAP_KILL'], [], []]);
  });
});

describe('parseCapability', () => {
  for (const [text, name] of [
    ['net_raw', 'CAP_NET_RAW'],
    ['CAP_NET_RAW', 'CAP_NET_RAW'],
    ['cap_sys_admin', 'CAP_SYS_ADMIN'],
    ['all', 'ALL'],
  ] as const) {
    it(`takes ${text}`, () => assert.equal(parseCapability(text), name));
  }
  for (const text of ['', 'NET', 'CAP_', 'CAP_CAP_KILL', 'constructor']) {
    it(`refuses "${text}"`, () => refuses('USAGE_INVALID', () => parseCapability(text)));
  }
});

describe('host facts', () => {
  it('are the capabilities that are both permitted and in the bounding set', () => {
    const held = heldCapabilities('CapPrm:\t0000000000000007\nCapBnd:\t0000000000000005\n');
    assert.deepEqual([...held], ['CAP_CHOWN', 'CAP_DAC_READ_SEARCH']);
    assert.deepEqual([...heldCapabilities('')], []);
  });
  it('are the hard limits', () => {
    const limits = hardLimits(
      'Limit                     Soft Limit           Hard Limit           Units     \n' +
        'Max open files            1024                 20000                files     \n' +
        'Max nice priority         0                    0                    \n' +
        'Max core file size        0                    unlimited            bytes     \n',
    );
    assert.deepEqual(Object.fromEntries(limits), {
      RLIMIT_NOFILE: 20000n,
      RLIMIT_NICE: 0n,
      RLIMIT_CORE: RLIM_INFINITY,
    });
  });
});

describe('processArgs', () => {
  const image = { imageEntrypoint: ['entry', 'e1'], imageCommand: ['cmd'] };
  const rows: [name: string, input: object, args: string[]][] = [
    ['joins ENTRYPOINT and CMD', {}, ['entry', 'e1', 'cmd']],
    [
      'replaces CMD by what was typed',
      { command: ['a', 'a', '--', '-x'] },
      ['entry', 'e1', 'a', 'a', '--', '-x'],
    ],
    ['drops CMD with --entrypoint', { entrypoint: ['mine'] }, ['mine']],
    [
      'keeps what was typed with --entrypoint',
      { entrypoint: ['mine'], command: ['a'] },
      ['mine', 'a'],
    ],
    ['clears ENTRYPOINT', { entrypoint: [], command: ['a'] }, ['a']],
    ['keeps empty arguments', { command: ['a', ''] }, ['entry', 'e1', 'a', '']],
  ];
  for (const [name, input, args] of rows) {
    it(name, () => assert.deepEqual(processArgs({ ...image, command: [], ...input }), args));
  }
  it('refuses to run nothing', () => {
    refuses('USAGE_INVALID', () => processArgs({ ...image, entrypoint: [], command: [] }));
    const empty = { imageEntrypoint: [], imageCommand: [], command: [''] };
    refuses('COMMAND_NOT_FOUND', () => processArgs(empty));
  });
  it('refuses a NUL', () => {
    refuses('USAGE_INVALID', () => processArgs({ ...image, command: ['a\0b'] }));
  });
});

describe('containerEnvironment', () => {
  const base = { image: [], settings: [], hostname: 'box', tty: false, home: '/root' };
  const from = (over: object) => Object.fromEntries(containerEnvironment({ ...base, ...over }));
  it('has PATH, HOSTNAME and HOME by itself', () => {
    assert.deepEqual(Object.keys(from({})), ['PATH', 'HOSTNAME', 'HOME']);
  });
  it('has TERM with a terminal', () => assert.equal(from({ tty: true }).TERM, 'xterm'));
  it('lets the user win over the image, and the last of a name over the first', () => {
    const settings = [
      { name: 'A', value: '3' },
      { name: 'A', value: '4' },
    ];
    assert.equal(from({ image: ['A=1', 'A=2'] }).A, '2');
    assert.equal(from({ image: ['A=1'], settings }).A, '4');
  });
  it('passes over junk of the image and never takes a value of ours for it (CVE-2026-57231)', () => {
    process.env.DRAY_TEST_SECRET = 'secret';
    const environment = from({ image: ['DRAY_TEST_SECRET', '*', '=x', '', 'DRAY_*'] });
    delete process.env.DRAY_TEST_SECRET;
    assert.deepEqual(Object.keys(environment), ['PATH', 'HOSTNAME', 'HOME']);
  });
  it('keeps newlines, "=" and keys like __proto__ as data', () => {
    const environment = containerEnvironment({
      ...base,
      image: ['A=b\nC=d', '__proto__=x', 'constructor=y'],
    });
    assert.equal(environment.get('A'), 'b\nC=d');
    assert.equal(environment.get('__proto__'), 'x');
    assert.equal(environment.get('constructor'), 'y');
  });
  it('sets HOME only when nobody did, and takes away what the user takes away', () => {
    assert.equal(from({ image: ['HOME=/h'] }).HOME, '/h');
    assert.equal(
      from({ image: ['HOME=/h'], settings: [{ name: 'HOME', value: undefined }] }).HOME,
      '/root',
    );
    assert.equal(
      'A' in from({ image: ['A=1'], settings: [{ name: 'A', value: undefined }] }),
      false,
    );
  });
  it('refuses a NUL', () => {
    refuses('IMAGE_INVALID', () => from({ image: ['A=\0'] }));
    refuses('USAGE_INVALID', () => from({ settings: [{ name: 'A', value: '\0' }] }));
  });
});

describe('containerResources', () => {
  const from = (options: Partial<RunOptions>, over: Parameters<typeof hostFacts>[0] = {}) =>
    containerResources(options, hostFacts(over), []);
  it('limits processes by default, and nothing else', () => {
    assert.deepEqual(from({}), { devices: [], pids: { limit: 2048 } });
  });
  it('limits what is asked for', () => {
    assert.deepEqual(from({ memoryBytes: 2 ** 26, cpus: 1.5, pidsLimit: 7 }), {
      devices: [],
      memory: { limit: 2 ** 26, swap: 2 ** 27 },
      cpu: { quota: 150_000, period: 100_000 },
      pids: { limit: 7 },
    });
  });
  it('limits memory alone where swap cannot be limited', () => {
    assert.deepEqual(from({ memoryBytes: 2 ** 26 }, { hasSwapLimit: false }).memory, {
      limit: 2 ** 26,
    });
  });
  it('limits no processes when told so, or by default where it cannot', () => {
    assert.equal(from({ pidsLimit: 'unlimited' }).pids, undefined);
    assert.equal(from({}, { cgroupControllers: new Set() }).pids, undefined);
  });
  it('refuses rather than drops a limit that cannot be applied', () => {
    const without = { cgroupControllers: new Set<string>() };
    for (const options of [{ memoryBytes: 2 ** 26 }, { cpus: 1 }, { pidsLimit: 7 }]) {
      refuses('HOST_UNSUPPORTED', () => from(options, without));
    }
  });
  it('refuses limits out of range', () => {
    for (const options of [
      { memoryBytes: 1000 },
      { cpus: 0.001 },
      { cpus: 5 },
      { cpus: Number.NaN },
    ]) {
      refuses('USAGE_INVALID', () => from(options));
    }
  });
});

describe('chooseRlimits', () => {
  it('lowers to our own hard limit, and says so', () => {
    const own = new Map([['RLIMIT_NOFILE', 100n]]);
    const asked = { type: 'RLIMIT_NOFILE', soft: 50n, hard: 200n };
    const choice = chooseRlimits([asked], own);
    assert.deepEqual(choice.rlimits, [{ ...asked, hard: 100n }]);
    assert.match(choice.warnings.join(), /RLIMIT_NOFILE.*200.*100/);
  });
  it('keeps what fits, and the last of a kind', () => {
    const asked = [1n, 2n].map((soft) => ({ type: 'RLIMIT_CORE', soft, hard: RLIM_INFINITY }));
    assert.deepEqual(chooseRlimits(asked, new Map()), { rlimits: [asked[1]], warnings: [] });
  });
});

describe('mounts', () => {
  const defaults = defaultMounts({ shmSizeBytes: 1, privileged: false });
  const at = (destination: string) => ({ destination, type: 'bind', source: '/s', options: [] });
  const places = (...mine: string[]) =>
    mergeMounts(defaults, mine.map(at)).map((m) => m.destination);
  it('come parents first, those of the user after the defaults beside them', () => {
    const all = places('/a/b/c', '/a', '/a/b', '/dev/shm/x');
    const order = (...some: string[]) => all.filter((place) => some.includes(place));
    assert.deepEqual(order('/a', '/a/b', '/a/b/c'), ['/a', '/a/b', '/a/b/c']);
    assert.deepEqual(order('/dev', '/dev/shm', '/dev/shm/x'), ['/dev', '/dev/shm', '/dev/shm/x']);
    assert.deepEqual(order('/proc', '/sys', '/dev', '/a').at(-1), '/a');
  });
  it('of the user replace a default at the same place', () => {
    assert.equal(places('/dev/shm').filter((place) => place === '/dev/shm').length, 1);
  });
  it('of the user at /dev replace all below it', () => {
    assert.deepEqual(
      places('/dev').filter((place) => place.startsWith('/dev')),
      ['/dev'],
    );
  });
  it('keep /sys and the control groups read-only unless privileged', () => {
    const options = (privileged: boolean) =>
      defaultMounts({ shmSizeBytes: 1, privileged })
        .filter(({ destination }) => destination.startsWith('/sys'))
        .map((mount) => mount.options.includes('ro'));
    assert.deepEqual(options(false), [true, true]);
    assert.deepEqual(options(true), [false, false]);
  });
});

describe('defaultSeccompFilter', () => {
  const facts = {
    hostArchitecture: 'amd64',
    imageArchitecture: 'amd64',
    capabilities: DEFAULT_CAPABILITIES,
  };
  const names = (capabilities: readonly string[]) =>
    new Set(defaultSeccompFilter({ ...facts, capabilities }).syscalls[0]?.names);
  it('is for the native architecture only', () => {
    assert.deepEqual(defaultSeccompFilter(facts).architectures, ['SCMP_ARCH_X86_64']);
  });
  it('adds the 32-bit architecture for a 32-bit image, without socketcall', () => {
    const filter = defaultSeccompFilter({ ...facts, imageArchitecture: '386' });
    assert.deepEqual(filter.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
    assert.equal(filter.syscalls.find((rule) => rule.names.includes('socketcall'))?.errnoRet, 38);
  });
  it('never allows keyrings, io_uring, kexec or userfaultfd, whatever the capabilities', () => {
    const all = names(KNOWN_CAPABILITIES);
    for (const name of [
      'keyctl',
      'add_key',
      'request_key',
      'io_uring_setup',
      'kexec_load',
      'userfaultfd',
      'swapon',
    ]) {
      assert.equal(all.has(name), false, name);
    }
  });
  it('allows what a capability is for with that capability only', () => {
    for (const [capability, call] of [
      ['CAP_SYS_ADMIN', 'mount'],
      ['CAP_SYS_ADMIN', 'clone3'],
      ['CAP_SYS_CHROOT', 'chroot'],
      ['CAP_SYS_MODULE', 'init_module'],
      ['CAP_SYS_TIME', 'clock_settime'],
      ['CAP_BPF', 'bpf'],
    ] as const) {
      assert.equal(names([]).has(call), false, call);
      assert.equal(names([capability]).has(call), true, call);
    }
  });
  it('says that it does not know a processor', () => {
    refuses('HOST_UNSUPPORTED', () => defaultSeccompFilter({ ...facts, hostArchitecture: 'vax' }));
  });
});

describe('parseSeccompFile', () => {
  const parse = (value: unknown) =>
    parseSeccompFile({
      text: typeof value === 'string' ? value : JSON.stringify(value),
      path: 'p.json',
      capabilities: ['CAP_KILL'],
      architecture: 'amd64',
      kernelRelease: '6.1.0',
    });
  const rule = (over: object) => ({ names: ['a'], action: 'SCMP_ACT_ALLOW', ...over });
  it('takes the form of the runtime-spec', () => {
    const filter = parse({
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      architectures: ['SCMP_ARCH_X86_64'],
      syscalls: [rule({ args: [{ index: 0, value: 2114060288, op: 'SCMP_CMP_MASKED_EQ' }] })],
    });
    assert.equal(filter.defaultErrnoRet, 38);
    assert.deepEqual(filter.syscalls[0]?.args?.[0]?.value, 2114060288);
  });
  it("takes docker's form and drops rules whose conditions do not hold", () => {
    const kept = [
      {},
      { includes: { caps: ['CAP_KILL'] } },
      { includes: { arches: ['amd64', 'x32'] } },
      { includes: { minKernel: '4.8' } },
      { excludes: { caps: ['CAP_SYS_ADMIN'] } },
      { excludes: { arches: ['s390x'] } },
    ];
    const dropped = [
      { includes: { caps: ['CAP_SYS_ADMIN'] } },
      { includes: { arches: ['s390'] } },
      { includes: { minKernel: '7.0' } },
      { excludes: { caps: ['CAP_KILL'] } },
      { excludes: { arches: ['amd64'] } },
    ];
    const filter = parse({
      defaultAction: 'SCMP_ACT_ERRNO',
      archMap: [
        { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
        { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
      ],
      syscalls: [...kept, ...dropped].map(rule),
    });
    assert.equal(filter.syscalls.length, kept.length);
    assert.deepEqual(filter.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
  });
  const invalid: [name: string, value: unknown][] = [
    ['no JSON', '{'],
    ['a list', []],
    ['null', null],
    ['no default action', {}],
    ['rules that are no list', { defaultAction: 'x', syscalls: {} }],
    ['a rule without an action', { defaultAction: 'x', syscalls: [{ names: [] }] }],
    ['a name that is a number', { defaultAction: 'x', syscalls: [rule({ names: [1] })] }],
    ['a number beyond 2^53', '{"defaultAction":"x","defaultErrnoRet":9007199254740993}'],
    ['a negative number', { defaultAction: 'x', defaultErrnoRet: -1 }],
  ];
  for (const [name, value] of invalid) {
    it(`refuses ${name}`, () => refuses('USAGE_INVALID', () => parse(value)));
  }
  it('compares kernel versions by number', () => {
    assert.deepEqual(
      ['4.9', '4.10.1', '5.0', '4.10'].map((release) => isAtLeast(release, '4.10')),
      [false, true, true, true],
    );
  });
});

describe('parseSignal', () => {
  const rows: [text: string, signal: number | undefined][] = [
    ['TERM', 15],
    ['SIGTERM', 15],
    ['sigquit', 3],
    ['9', 9],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
    ['SIGRTMIN', 34],
    ['0', undefined],
    ['65', undefined],
    ['SIGRTMIN+31', undefined],
    ['SIG', undefined],
    ['', undefined],
    ['SIGSIGTERM', undefined],
    ['constructor', undefined],
  ];
  for (const [text, signal] of rows) {
    it(`reads "${text}" as ${signal}`, () => assert.equal(parseSignal(text), signal));
  }
});

describe('knownHoles', () => {
  const holes = (version: string) => knownHoles(version).map((text) => text.split(':')[0]);
  it('names what an old runc lacks', () => {
    assert.deepEqual(holes('1.1.5+ds1'), ['CVE-2024-21626', 'CVE-2025-31133']);
    assert.equal(holes('1.0.0-rc5').includes('CVE-2019-5736'), true);
    assert.deepEqual(holes('1.2.7'), ['CVE-2025-31133']);
  });
  it('names nothing for a new one', () => {
    for (const version of ['1.2.8', '1.3.3', '1.4.0', '2.0.1'])
      assert.deepEqual(holes(version), []);
  });
});

describe('buildRuntimeConfig', () => {
  const build = (options: Partial<RunOptions>, over: Parameters<typeof hostFacts>[0] = {}) =>
    buildRuntimeConfig({
      containerId: 'abc',
      bundleDir: '/bundle',
      options: runOptions(options),
      imageArchitecture: 'amd64',
      host: hostFacts(over),
      hostname: 'box',
      user: { uid: 0, gid: 0, additionalGids: [0], home: '/root' },
      args: ['a'],
      env: [],
      workingDirectory: '/',
      mounts: [],
      devices: { devices: [], rules: [] },
    });

  it('is guarded by default', () => {
    const { config } = build({});
    assert.ok(config.linux.seccomp);
    assert.ok(config.linux.maskedPaths.includes('/proc/kcore'));
    assert.equal(config.linux.rootfsPropagation, 'rprivate');
    assert.deepEqual(config.linux.namespaces.map(({ type }) => type).sort(), [
      'cgroup',
      'ipc',
      'mount',
      'network',
      'pid',
      'uts',
    ]);
  });
  it('gives up filter, masks and read-only paths when privileged', () => {
    const { linux } = build({ privileged: true }).config;
    assert.deepEqual([linux.seccomp, linux.maskedPaths, linux.readonlyPaths], [undefined, [], []]);
  });
  it('keeps a profile that a privileged container asks for', () => {
    const text = '{"defaultAction":"SCMP_ACT_LOG"}';
    const { linux } = build({
      privileged: true,
      seccomp: { kind: 'profile', text, path: 'p' },
    }).config;
    assert.equal(linux.seccomp?.defaultAction, 'SCMP_ACT_LOG');
  });
  it('shares the network namespace with --network host only', () => {
    const types = build({ network: 'host' }).config.linux.namespaces.map(({ type }) => type);
    assert.equal(types.includes('network'), false);
  });
  it('follows the mounts of the host only for a bind that asks for it', () => {
    const bind = {
      type: 'bind',
      source: '/s',
      destination: '/d',
      readOnly: false,
      createSource: false,
      recursive: true,
    } as const;
    const { linux } = build({ mounts: [{ ...bind, propagation: 'rslave' }] }).config;
    assert.equal(linux.rootfsPropagation, 'rslave');
  });
  it('lies below our own control group with v1 and at the root with v2', () => {
    assert.equal(build({}).config.linux.cgroupsPath, 'dray-abc');
    assert.equal(build({}, { cgroupVersion: 'v2' }).config.linux.cgroupsPath, '/dray-abc');
  });
  it('writes unlimited as all the digits of 2^64-1', () => {
    const rlimits = [{ type: 'RLIMIT_CORE', soft: 0n, hard: RLIM_INFINITY }];
    const text = encodeRuntimeConfig(build({ rlimits }).config);
    assert.ok(text.includes('"soft":0,"hard":18446744073709551615'));
  });
  it('keeps annotations as data, also keys like __proto__', () => {
    const annotations = new Map([
      ['__proto__', 'x'],
      ['a', 'b\nc'],
    ]);
    const text = encodeRuntimeConfig(build({ annotations }).config);
    assert.ok(text.includes('"annotations":{"__proto__":"x","a":"b\\nc"}'));
  });
});
