/** The flags of `dray run`, with docker's names and meaning. */
import { resolve } from 'node:path';
import * as Flags from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import { parseCapability } from '../core/oci/capability-names.ts';
import { parsePlatform } from '../core/oci/platform.ts';
import type { RunOptions } from '../core/runtime/run-options.ts';
import { ignoresSignatures, insecureOptionsFlag } from './insecure-options.ts';
import { lifecycleFlags, parseLifecycleFlags } from './lifecycle-flags.ts';
import { networkFlags, parseNetworkFlags } from './network-flags.ts';
import { parseDeviceFlag } from './parse/devices.ts';
import {
  type HostEnvironment,
  parseEnvironmentFlag,
  parseMetadata,
  readEnvironmentFile,
} from './parse/key-values.ts';
import { parseMountFlag } from './parse/mount-flag.ts';
import { parseTmpfsFlag, parseVolumeFlag } from './parse/mounts.ts';
import {
  parseEntrypoint,
  parseHostname,
  parsePullPolicy,
  parseStopSignal,
} from './parse/process.ts';
import {
  parseCpus,
  parsePidsLimit,
  parseSeconds,
  parseSize,
  parseUlimit,
} from './parse/quantities.ts';
import { parseSecurityOptions } from './parse/security.ts';
import { registryFlags } from './registry-flags.ts';

/** A flag that may be given several times, one value each. */
function list(description: string, helpValue: string, char?: 'e' | 'v' | 'l') {
  return Flags.string({
    description,
    helpValue,
    multiple: true,
    multipleNonGreedy: true,
    ...(char === undefined ? {} : { char }),
  });
}

/** A flag that is off unless it is given. */
function toggle(description: string, char?: 'i' | 't' | 'q') {
  return Flags.boolean({ description, default: false, ...(char === undefined ? {} : { char }) });
}

/** oclif's flags of `dray run`. */
export const runFlags = {
  rm: toggle('remove the container when it ends'),
  interactive: toggle('give the container our stdin', 'i'),
  tty: toggle('give the container a terminal', 't'),
  env: list('set an environment variable; NAME alone passes our own on', 'NAME=VALUE', 'e'),
  'env-file': list('read environment variables from a file', 'FILE'),
  volume: list('mount a host path or a volume', '[SOURCE:]PATH[:MODE]', 'v'),
  mount: list('mount a host path, a volume or a tmpfs', 'KEY=VALUE,...'),
  tmpfs: list('mount a file system in memory', 'PATH[:OPTIONS]'),
  workdir: Flags.string({ char: 'w', description: 'directory to start in', helpValue: 'PATH' }),
  user: Flags.string({ char: 'u', description: 'user to run as', helpValue: 'USER[:GROUP]' }),
  'group-add': list('add a further group', 'GROUP'),
  entrypoint: Flags.string({
    description: "program to run instead of the image's; a JSON array may hold arguments",
    helpValue: 'PROGRAM',
  }),
  name: Flags.string({ description: 'name of the container', helpValue: 'NAME' }),
  hostname: Flags.string({
    char: 'h',
    description: 'host name in the container; its short id by default',
    helpValue: 'NAME',
  }),
  ...networkFlags,
  'read-only': toggle('mount the root file system read-only'),
  'cap-add': list('add a capability', 'NAME'),
  'cap-drop': list('drop a capability', 'NAME'),
  privileged: toggle('give up the sandbox: all capabilities and devices'),
  'security-opt': list('no-new-privileges, seccomp=FILE or seccomp=unconfined', 'OPTION'),
  memory: Flags.string({ char: 'm', description: 'memory limit', helpValue: 'SIZE' }),
  cpus: Flags.string({ description: 'number of processors, such as 1.5', helpValue: 'N' }),
  'pids-limit': Flags.string({
    description: 'number of processes, 2048 by default; -1 for no limit',
    helpValue: 'N',
  }),
  ulimit: list('set a resource limit', 'NAME=SOFT[:HARD]'),
  'shm-size': Flags.string({
    description: 'size of /dev/shm',
    helpValue: 'SIZE',
    default: '64m',
  }),
  device: list('give the container a device', 'PATH[:PATH][:rwm]'),
  label: list('label the container', 'KEY=VALUE', 'l'),
  annotation: list('add an annotation to the runtime config', 'KEY=VALUE'),
  cidfile: Flags.string({ description: 'write the container id to a file', helpValue: 'FILE' }),
  pull: Flags.string({
    description: 'when to ask the registry: missing, always, newer or never',
    helpValue: 'POLICY',
    default: 'missing',
  }),
  platform: Flags.string({ description: 'platform of the image', helpValue: 'OS/ARCH[/VARIANT]' }),
  'insecure-options': insecureOptionsFlag(),
  init: toggle('run a small init (tini or catatonit of this machine) first'),
  'stop-signal': Flags.string({ description: 'signal that stops it', helpValue: 'SIGNAL' }),
  'stop-timeout': Flags.string({
    description: 'kill it when it has not ended so long after a SIGTERM to dray',
    helpValue: 'SECONDS',
  }),
  quiet: toggle('show nothing while fetching the image', 'q'),
  ...lifecycleFlags,
  ...registryFlags,
};

/** The values that oclif parses for `runFlags`. */
export type RunFlagValues = InferredFlags<typeof runFlags>;

/** Where relative paths and lone names of variables are looked up. */
export interface RunFlagsContext {
  readonly env: HostEnvironment;
  readonly cwd: string;
}

/**
 * Turns parsed flags, the image and all that was typed after it into the engine's options. Files
 * that flags name (`--env-file`, `seccomp=FILE`) are read here.
 *
 * @throws EngineError `USAGE_INVALID` naming the flag and the value
 */
export function parseRunFlags(
  flags: RunFlagValues,
  image: string,
  command: readonly string[],
  { env, cwd }: RunFlagsContext,
): RunOptions {
  return {
    image,
    command,
    ...identity(flags, cwd),
    removeOnExit: flags.rm,
    interactive: flags.interactive,
    tty: flags.tty,
    quiet: flags.quiet,
    pullPolicy: parsePullPolicy(flags.pull),
    ...given('platform', flags.platform, parsePlatform),
    ignoresSignatures: ignoresSignatures(flags['insecure-options']),
    ...given('entrypoint', flags.entrypoint, parseEntrypoint),
    environment: [
      ...(flags['env-file'] ?? []).flatMap((file) => readEnvironmentFile(resolve(cwd, file), env)),
      ...(flags.env ?? []).map((text) => parseEnvironmentFlag(text, env)),
    ],
    ...given('workingDirectory', flags.workdir, String),
    ...given('user', flags.user || undefined, String),
    groupAdd: flags['group-add'] ?? [],
    mounts: [
      ...(flags.volume ?? []).map((text) => parseVolumeFlag(text, cwd)),
      ...(flags.mount ?? []).map((text) => parseMountFlag(text, cwd)),
      ...(flags.tmpfs ?? []).map(parseTmpfsFlag),
    ],
    devices: (flags.device ?? []).map(parseDeviceFlag),
    readOnly: flags['read-only'],
    shmSizeBytes: parseSize(flags['shm-size'], '--shm-size'),
    ...parseNetworkFlags(flags, { env, cwd }),
    ...sandbox(flags, cwd),
    ...limits(flags),
    init: flags.init,
    ...parseLifecycleFlags(flags, { env, cwd }),
    ...given('stopSignal', flags['stop-signal'], (text) => parseStopSignal(text)),
    ...given('stopTimeoutSeconds', flags['stop-timeout'], (text) =>
      parseSeconds(text, '--stop-timeout'),
    ),
  };
}

function identity(flags: RunFlagValues, cwd: string) {
  return {
    ...given('name', flags.name, String),
    ...given('hostname', flags.hostname, parseHostname),
    ...given('cidFile', flags.cidfile, (file) => resolve(cwd, file)),
    labels: parseMetadata(flags.label ?? [], '--label'),
    annotations: parseMetadata(flags.annotation ?? [], '--annotation'),
  };
}

function sandbox(flags: RunFlagValues, cwd: string) {
  return {
    privileged: flags.privileged,
    capabilitiesAdded: (flags['cap-add'] ?? []).map(parseCapability),
    capabilitiesDropped: (flags['cap-drop'] ?? []).map(parseCapability),
    ...parseSecurityOptions(flags['security-opt'] ?? [], cwd),
  };
}

function limits(flags: RunFlagValues) {
  return {
    ...given('memoryBytes', flags.memory, (text) => parseSize(text, '--memory')),
    ...given('cpus', flags.cpus, parseCpus),
    ...given('pidsLimit', flags['pids-limit'], parsePidsLimit),
    rlimits: (flags.ulimit ?? []).map(parseUlimit),
  };
}

/** The property if there is a value, else nothing: an option that was not given is absent. */
function given<Key extends string, Value>(
  key: Key,
  text: string | undefined,
  parse: (text: string) => Value,
): { readonly [K in Key]?: Value } {
  return text === undefined ? {} : ({ [key]: parse(text) } as { readonly [K in Key]: Value });
}
