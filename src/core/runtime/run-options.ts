/**
 * What a caller can ask of one container: every flag of `dray run`, already parsed. Strings that
 * name a thing of the image (user, group, working directory) are looked up later, in the image.
 */
import type { Platform } from '../oci/platform.ts';
import type { PullPolicy } from '../oci/pull-policy.ts';

/** All that `dray run` can be told. */
export interface RunOptions {
  /** The image as typed: a reference, an id, or a source such as `oci:DIR`. */
  readonly image: string;
  /** What was typed after the image; empty means the image's CMD. */
  readonly command: readonly string[];
  /** `--entrypoint`: replaces ENTRYPOINT and drops CMD; an empty list clears it. */
  readonly entrypoint?: readonly string[];

  readonly name?: string;
  readonly hostname?: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** Absolute path of the file that receives the container id; it must not exist. */
  readonly cidFile?: string;
  readonly removeOnExit: boolean;
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly quiet: boolean;

  readonly pullPolicy: PullPolicy;
  readonly platform?: Platform;

  /** Settings in the order in which they take effect. */
  readonly environment: readonly EnvironmentSetting[];
  /** Absolute path inside the container. */
  readonly workingDirectory?: string;
  /** `USER[:GROUP]`, names or numbers. */
  readonly user?: string;
  /** Further groups, names or numbers. */
  readonly groupAdd: readonly string[];

  readonly mounts: readonly MountRequest[];
  readonly devices: readonly DeviceRequest[];
  readonly readOnly: boolean;
  readonly shmSizeBytes: number;

  readonly network: 'none' | 'host';

  readonly privileged: boolean;
  /** Names such as `CAP_NET_RAW`, or `ALL`. */
  readonly capabilitiesAdded: readonly string[];
  readonly capabilitiesDropped: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly seccomp: SeccompRequest;

  readonly memoryBytes?: number;
  /** Processors, such as 1.5. */
  readonly cpus?: number;
  /** Undefined is the default of 2048; `'unlimited'` sets none. */
  readonly pidsLimit?: number | 'unlimited';
  readonly rlimits: readonly RlimitRequest[];

  readonly init: boolean;
  /** A signal number. Undefined: the image's STOPSIGNAL, else SIGTERM. */
  readonly stopSignal?: number;
  /** How long after a SIGTERM it is killed; undefined: never. */
  readonly stopTimeoutSeconds?: number;
}

/** One `-e`: a value, or undefined to take the variable away. */
export interface EnvironmentSetting {
  readonly name: string;
  readonly value: string | undefined;
}

/** Propagation of a bind mount. Only what works inside a private mount namespace is offered. */
export type BindPropagation = 'private' | 'rprivate' | 'slave' | 'rslave';

/** One `-v`, `--mount` or `--tmpfs`. Destinations are as typed; they are checked in the image. */
export type MountRequest = BindRequest | VolumeRequest | TmpfsRequest;

/** A file or directory of the host. */
export interface BindRequest {
  readonly type: 'bind';
  /** Absolute path on the host. */
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  /** Make a missing source as a directory (`-v`) instead of refusing (`--mount`). */
  readonly createSource: boolean;
  /** Take mounts below the source along. */
  readonly recursive: boolean;
  readonly propagation: BindPropagation;
}

/** A volume; without a name it lasts as long as the container. */
export interface VolumeRequest {
  readonly type: 'volume';
  readonly name?: string;
  readonly destination: string;
  readonly readOnly: boolean;
  /** Fill an empty volume with what the image has at the destination. */
  readonly copyUp: boolean;
}

/** A file system in memory. */
export interface TmpfsRequest {
  readonly type: 'tmpfs';
  readonly destination: string;
  /** Options of mount(8), such as `size=64m`, already checked. */
  readonly options: readonly string[];
}

/** One `--device`. */
export interface DeviceRequest {
  /** Absolute path on the host: a device, or a directory of devices. */
  readonly source: string;
  readonly destination: string;
  /** A subset of `rwm`. */
  readonly access: string;
}

/** One `--ulimit`; 2^64-1 is unlimited. */
export interface RlimitRequest {
  /** A name such as `RLIMIT_NOFILE`. */
  readonly type: string;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** `--security-opt seccomp=…`: our own profile, none, or the text of a profile file. */
export type SeccompRequest =
  | { readonly kind: 'default' }
  | { readonly kind: 'unconfined' }
  | { readonly kind: 'profile'; readonly text: string; readonly path: string };
