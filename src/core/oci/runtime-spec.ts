/**
 * The part of the runtime-spec (`config.md`, `config-linux.md`) that the engine writes. Names are
 * the specification's; what the engine never sets is left out. Values of rlimits are `bigint`
 * because "unlimited" is 2^64-1: `encodeRuntimeConfig` of the runtime module writes the JSON.
 */

/** `config.json` of a bundle. */
export interface RuntimeConfig {
  readonly ociVersion: string;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string;
  readonly process: RuntimeProcess;
  readonly mounts: readonly RuntimeMount[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: RuntimeLinux;
}

/** `process`: what runs, as whom, with which rights. */
export interface RuntimeProcess {
  readonly terminal: boolean;
  /** Size of the terminal from its first moment. */
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: RuntimeUser;
  readonly args: readonly string[];
  /** `KEY=value` strings. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: RuntimeCapabilities;
  readonly rlimits: readonly RuntimeRlimit[];
  readonly noNewPrivileges: boolean;
}

/** `process.user`. */
export interface RuntimeUser {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  readonly additionalGids: readonly number[];
}

/** `process.capabilities`, names such as `CAP_CHOWN`. */
export interface RuntimeCapabilities {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly permitted: readonly string[];
  readonly inheritable: readonly string[];
  readonly ambient: readonly string[];
}

/** One entry of `process.rlimits`; `type` is a name such as `RLIMIT_NOFILE`. */
export interface RuntimeRlimit {
  readonly type: string;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** One entry of `mounts`. */
export interface RuntimeMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** `linux`. */
export interface RuntimeLinux {
  readonly namespaces: readonly RuntimeNamespace[];
  readonly devices: readonly RuntimeDevice[];
  readonly resources: RuntimeResources;
  readonly cgroupsPath: string;
  /** Kernel parameters of the container's namespaces, by name. */
  readonly sysctl: Readonly<Record<string, string>>;
  readonly rootfsPropagation: string;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccomp?: SeccompFilter;
}

/** One entry of `linux.namespaces`; without `path` a new namespace is made. */
export interface RuntimeNamespace {
  readonly type: 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'cgroup' | 'user';
  readonly path?: string;
}

/** One entry of `linux.devices`. */
export interface RuntimeDevice {
  readonly path: string;
  readonly type: 'c' | 'b' | 'p';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

/** `linux.resources`. */
export interface RuntimeResources {
  readonly devices: readonly DeviceRule[];
  readonly memory?: { readonly limit: number; readonly swap?: number };
  readonly cpu?: { readonly quota: number; readonly period: number };
  readonly pids?: { readonly limit: number };
}

/** One rule of the device controller; without numbers it covers every device. */
export interface DeviceRule {
  readonly allow: boolean;
  readonly type?: 'a' | 'c' | 'b';
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
}

/** `linux.seccomp`. */
export interface SeccompFilter {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly flags?: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

/** One rule of a seccomp filter: all of `args` must match. */
export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArgument[];
}

/** One comparison of a system call's argument (64 bits wide). */
export interface SeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: string;
}
