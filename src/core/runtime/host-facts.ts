/** What this process and this machine allow, read once per `run`. */
import { existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, hostname, release } from 'node:os';
import { KNOWN_CAPABILITIES } from '../oci/capability-names.ts';
import { hostPlatform } from '../oci/platform.ts';
import { RLIM_INFINITY, RLIMIT_TYPES } from '../oci/rlimit-names.ts';

/** Facts that the runtime config depends on. */
export interface HostFacts {
  /** Capabilities that we hold and may pass on, such as `CAP_CHOWN`. */
  readonly capabilities: ReadonlySet<string>;
  /** Our own hard limits by name (`RLIMIT_NOFILE`); 2^64-1 is unlimited. */
  readonly hardLimits: ReadonlyMap<string, bigint>;
  readonly cgroupVersion: 'v1' | 'v2';
  /** Controllers that can be used, such as `memory`. */
  readonly cgroupControllers: ReadonlySet<string>;
  /** Whether swap can be limited together with memory. */
  readonly hasSwapLimit: boolean;
  /** Architecture in the names of the image-spec, such as `amd64`. */
  readonly architecture: string;
  /** Such as `6.1.0-18-amd64`. */
  readonly kernelRelease: string;
  readonly hostname: string;
  readonly cpuCount: number;
  /** Files that tell a processor's heat, to be masked. */
  readonly thermalPaths: readonly string[];
  /** Whether the kernel runs programs of further formats (binfmt_misc), such as by an emulator. */
  readonly hasForeignFormats: boolean;
}

const CGROUP_ROOT = '/sys/fs/cgroup';
const CGROUP2_MAGIC = 0x6367_7270;

/** Reads the facts from /proc and /sys; about a millisecond. */
export function readHostFacts(): HostFacts {
  const cgroupVersion = statfsSync(CGROUP_ROOT).type === CGROUP2_MAGIC ? 'v2' : 'v1';
  const ownCgroups = readFileSync('/proc/self/cgroup', 'utf8');
  const cpuCount = availableParallelism();
  return {
    capabilities: heldCapabilities(readFileSync('/proc/self/status', 'latin1')),
    hardLimits: hardLimits(readFileSync('/proc/self/limits', 'latin1')),
    cgroupVersion,
    cgroupControllers: new Set(
      cgroupVersion === 'v2'
        ? readFileSync(`${CGROUP_ROOT}/cgroup.controllers`, 'latin1').split(/\s+/)
        : mountedControllers(ownCgroups),
    ),
    hasSwapLimit: hasSwapLimit(cgroupVersion, ownCgroups),
    architecture: hostPlatform().architecture,
    kernelRelease: release(),
    hostname: hostname(),
    cpuCount,
    thermalPaths: thermalPaths(cpuCount),
    hasForeignFormats: hasForeignFormats(),
  };
}

/** The capabilities that are both permitted and in the bounding set of a `/proc/PID/status`. */
export function heldCapabilities(status: string): Set<string> {
  const mask = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`);
  const held = mask('CapPrm') & mask('CapBnd');
  return new Set(KNOWN_CAPABILITIES.filter((_, bit) => ((held >> BigInt(bit)) & 1n) === 1n));
}

const LIMIT_LABELS: ReadonlyMap<string, string> = new Map([
  ['Max address space', 'as'],
  ['Max core file size', 'core'],
  ['Max cpu time', 'cpu'],
  ['Max data size', 'data'],
  ['Max file size', 'fsize'],
  ['Max file locks', 'locks'],
  ['Max locked memory', 'memlock'],
  ['Max msgqueue size', 'msgqueue'],
  ['Max nice priority', 'nice'],
  ['Max open files', 'nofile'],
  ['Max processes', 'nproc'],
  ['Max resident set', 'rss'],
  ['Max realtime priority', 'rtprio'],
  ['Max realtime timeout', 'rttime'],
  ['Max pending signals', 'sigpending'],
  ['Max stack size', 'stack'],
]);

/** The hard limits in the text of a `/proc/PID/limits`. */
export function hardLimits(text: string): Map<string, bigint> {
  const limits = new Map<string, bigint>();
  for (const line of text.split('\n')) {
    const [label, , hard] = line.trim().split(/\s{2,}/);
    const type = RLIMIT_TYPES.get(LIMIT_LABELS.get(label ?? '') ?? '');
    if (type !== undefined && hard !== undefined) {
      limits.set(type, hard === 'unlimited' ? RLIM_INFINITY : BigInt(hard));
    }
  }
  return limits;
}

function mountedControllers(ownCgroups: string): string[] {
  return ownCgroups
    .split('\n')
    .flatMap((line) => line.split(':')[1]?.split(',') ?? [])
    .filter((name) => name !== '' && existsSync(`${CGROUP_ROOT}/${name}`));
}

function hasSwapLimit(version: HostFacts['cgroupVersion'], ownCgroups: string): boolean {
  if (version === 'v1') {
    return existsSync(`${CGROUP_ROOT}/memory/memory.memsw.limit_in_bytes`);
  }
  // The root group has no such file, so a group below it is looked at.
  const own = /^0::(.*)$/m.exec(ownCgroups)?.[1] ?? '/';
  return [own, '/system.slice', '/init.scope'].some((group) =>
    existsSync(`${CGROUP_ROOT}${group}/memory.swap.max`),
  );
}

function thermalPaths(cpuCount: number): string[] {
  return Array.from(
    { length: cpuCount },
    (_, cpu) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`,
  ).filter((path) => existsSync(path));
}

function hasForeignFormats(): boolean {
  const directory = '/proc/sys/fs/binfmt_misc';
  const entries = existsSync(directory) ? readdirSync(directory) : [];
  return entries.some((name) => name !== 'register' && name !== 'status');
}
