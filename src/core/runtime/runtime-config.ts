/**
 * `config.json` for runc out of decided parts. Everything here is pure: files, users, devices and
 * mounts were looked up before.
 */
import type {
  RuntimeConfig,
  RuntimeLinux,
  RuntimeMount,
  RuntimeProcess,
  SeccompFilter,
} from '../oci/runtime-spec.ts';
import { capabilitySets, chooseCapabilities } from './capabilities.ts';
import { cgroupPath } from './cgroup-path.ts';
import type { DeviceChoice } from './devices.ts';
import type { HostFacts } from './host-facts.ts';
import { MASKED_PATHS, READ_ONLY_PATHS } from './masked-paths.ts';
import { containerNamespaces, networkSysctls } from './namespaces.ts';
import { containerResources } from './resources.ts';
import { chooseRlimits } from './rlimits.ts';
import type { RunOptions } from './run-options.ts';
import { parseSeccompFile } from './seccomp-file.ts';
import { defaultSeccompFilter } from './seccomp-profile.ts';
import type { ResolvedUser } from './user.ts';

declare global {
  interface JSON {
    /** ECMAScript "JSON.parse source text access"; in Node, not yet in TypeScript's library. */
    rawJSON(text: string): unknown;
  }
}

/** The decided parts of a container. */
export interface RuntimeConfigInput {
  readonly containerId: string;
  readonly bundleDir: string;
  readonly options: RunOptions;
  readonly imageArchitecture: string;
  readonly host: HostFacts;
  readonly hostname: string;
  readonly user: ResolvedUser;
  readonly args: readonly string[];
  /** `KEY=value` strings. */
  readonly env: readonly string[];
  readonly workingDirectory: string;
  /** All mounts, in the order in which they are made. */
  readonly mounts: readonly RuntimeMount[];
  readonly devices: DeviceChoice;
  /** Size of the terminal, if there is one. */
  readonly consoleSize?: { readonly height: number; readonly width: number };
}

/** A runtime config and what the user should be told about it. */
export interface RuntimeConfigResult {
  readonly config: RuntimeConfig;
  readonly warnings: readonly string[];
}

const SPEC_VERSION = '1.0.2';
const UMASK = 0o022;

/**
 * Builds the runtime config.
 *
 * @throws EngineError `USAGE_INVALID` for a limit or profile that cannot be, `HOST_UNSUPPORTED`
 * when the machine lacks what was asked for
 */
export function buildRuntimeConfig(input: RuntimeConfigInput): RuntimeConfigResult {
  const { options, host } = input;
  const capabilities = chooseCapabilities(
    {
      added: options.capabilitiesAdded,
      dropped: options.capabilitiesDropped,
      privileged: options.privileged,
    },
    host.capabilities,
  );
  const limits = chooseRlimits(options.rlimits, host.hardLimits);
  const process: RuntimeProcess = {
    terminal: options.tty,
    ...(input.consoleSize === undefined ? {} : { consoleSize: input.consoleSize }),
    user: {
      uid: input.user.uid,
      gid: input.user.gid,
      umask: UMASK,
      additionalGids: input.user.additionalGids,
    },
    args: input.args,
    env: input.env,
    cwd: input.workingDirectory,
    capabilities: capabilitySets(capabilities.granted, input.user.uid),
    rlimits: limits.rlimits,
    noNewPrivileges: options.noNewPrivileges,
  };
  const config: RuntimeConfig = {
    ociVersion: SPEC_VERSION,
    root: { path: 'rootfs', readonly: options.readOnly },
    hostname: input.hostname,
    process,
    mounts: input.mounts,
    annotations: Object.fromEntries(options.annotations),
    linux: linuxPart(input, capabilities.granted),
  };
  return { config, warnings: [...missingWarnings(capabilities.missing), ...limits.warnings] };
}

function linuxPart(input: RuntimeConfigInput, capabilities: readonly string[]): RuntimeLinux {
  const { options, host } = input;
  const isGuarded = !options.privileged;
  const seccomp = seccompFilter(input, capabilities);
  const wantsSlave = options.mounts.some(
    (mount) => mount.type === 'bind' && mount.propagation.endsWith('slave'),
  );
  return {
    namespaces: containerNamespaces(options.network, input.bundleDir),
    devices: input.devices.devices,
    resources: containerResources(options, host, input.devices.rules),
    cgroupsPath: cgroupPath(input.containerId, host.cgroupVersion),
    sysctl: {
      ...networkSysctls(options.network),
      ...(options.domainname === undefined ? {} : { 'kernel.domainname': options.domainname }),
    },
    // A bind can only follow the host's mounts if the root does.
    rootfsPropagation: wantsSlave ? 'rslave' : 'rprivate',
    maskedPaths: isGuarded ? [...MASKED_PATHS, ...host.thermalPaths] : [],
    readonlyPaths: isGuarded ? READ_ONLY_PATHS : [],
    ...(seccomp === undefined ? {} : { seccomp }),
  };
}

function seccompFilter(
  { options, host, imageArchitecture }: RuntimeConfigInput,
  capabilities: readonly string[],
): SeccompFilter | undefined {
  const request = options.seccomp;
  if (request.kind === 'profile') {
    return parseSeccompFile({
      text: request.text,
      path: request.path,
      capabilities,
      architecture: host.architecture,
      kernelRelease: host.kernelRelease,
    });
  }
  if (request.kind === 'unconfined' || options.privileged) {
    return undefined;
  }
  return defaultSeccompFilter({
    hostArchitecture: host.architecture,
    imageArchitecture,
    capabilities,
  });
}

function missingWarnings(missing: readonly string[]): string[] {
  return missing.map(
    (name) => `${name} cannot be given to the container: this process does not hold it itself.`,
  );
}

/**
 * The bytes of `config.json`. Integers beyond 2^53, such as an unlimited rlimit, are written with
 * all their digits.
 */
export function encodeRuntimeConfig(config: RuntimeConfig): string {
  return JSON.stringify(config, (_key, value: unknown) =>
    typeof value === 'bigint' ? JSON.rawJSON(value.toString()) : value,
  );
}
