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
  /** Remove whoever has the name, running or not. */
  readonly replacesNamed?: boolean;
  readonly hostname?: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** Absolute path of the file that receives the container id; it must not exist. */
  readonly cidFile?: string;
  /** Absolute path of the file that receives the container id; replaced when it exists. */
  readonly uuidFile?: string;
  readonly removeOnExit: boolean;
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly quiet: boolean;

  readonly pullPolicy: PullPolicy;
  readonly platform?: Platform;
  /** The image is used whatever the signature policy asks for. */
  readonly ignoresSignatures?: boolean;

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

  readonly network: NetworkChoice;
  /** Ports of the host that lead into the container. */
  readonly publish?: readonly PublishRequest[];
  /** Publish every port that the image or `exposed` names, on any port of the host. */
  readonly publishesAll?: boolean;
  readonly exposed?: readonly ContainerPort[];
  /** Instead of the host's name servers; what is absent stays the host's. */
  readonly nameServers?: NameServerOptions;
  /** Further lines of /etc/hosts. */
  readonly extraHosts?: readonly ExtraHost[];
  readonly domainname?: string;

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

  /** Never, when absent. */
  readonly restart?: RestartPolicy;
  /** Output in one file without end, when absent. */
  readonly log?: LogLimits;
  readonly health?: HealthOptions;
  readonly notify?: NotifyRequest;
}

/**
 * Whose network a container has: its own without anything but a loopback device; the host's; its own
 * in networks; that of another container, by name or id; the one of a namespace at a path.
 */
export type NetworkChoice =
  | 'none'
  | 'host'
  | { readonly kind: 'own'; readonly joins: readonly NetworkJoin[] }
  | { readonly kind: 'container'; readonly container: string }
  | { readonly kind: 'path'; readonly path: string };

/** One network that is joined. */
export interface NetworkJoin {
  readonly name: string;
  /** Addresses that the container must have; any when empty. */
  readonly ips: readonly string[];
  readonly mac?: string;
  /** Further names by which the others of the network find it. */
  readonly aliases: readonly string[];
}

/** A port of the container. */
export interface ContainerPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly containerPort: number;
}

/** One port of `--publish`. */
export interface PublishRequest extends ContainerPort {
  /** Absent: all addresses. */
  readonly hostIp?: string;
  /** Any of these; `[0, 0]`: any that is free. */
  readonly hostPorts: readonly [first: number, last: number];
}

/** `--dns`, `--dns-search` and `--dns-option`. */
export interface NameServerOptions {
  readonly servers?: readonly string[];
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

/** One `--add-host`. */
export interface ExtraHost {
  readonly name: string;
  /** An address, or `host-gateway`: the host itself, as the container sees it. */
  readonly address: string;
}

/** When the supervisor starts a container again. */
export interface RestartPolicy {
  readonly when: 'on-failure' | 'always' | 'unless-stopped';
  /** Of `on-failure`: how many times at most. */
  readonly maximumRetries?: number;
}

/** How much of the output is kept. */
export interface LogLimits {
  /** A segment is closed when it has so many bytes. */
  readonly maxSegmentBytes: number;
  /** Segments beyond this number are removed, oldest first. */
  readonly maxSegments: number;
}

/** `--health-*`; what is absent is the image's, or a default. */
export interface HealthOptions {
  /** No check at all, whatever the image says. */
  readonly isDisabled?: boolean;
  /** For the image's shell. */
  readonly command?: string;
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
  readonly startPeriodMs?: number;
  readonly retries?: number;
}

/** Who tells the service manager behind `socket` that the container is ready. */
export interface NotifyRequest {
  /** The container itself, through a socket of its own; or dray, as soon as it runs. */
  readonly by: 'container' | 'dray';
  /** As in `NOTIFY_SOCKET`: a path, or `@` and a name. */
  readonly socket: string;
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

/** Flags of mount(2) that hold for one place, such as `noexec` or `nosuid`. */
export type MountFlag = 'exec' | 'noexec' | 'suid' | 'nosuid' | 'dev' | 'nodev';

/** What binds and volumes have in common. */
export interface SharedMountOptions {
  readonly destination: string;
  readonly readOnly: boolean;
  /** Besides what `readOnly` says; none when absent. */
  readonly flags?: readonly MountFlag[];
  /** Give all of the content to the container's user (`:U`). */
  readonly chown?: boolean;
}

/** A file or directory of the host. */
export interface BindRequest extends SharedMountOptions {
  readonly type: 'bind';
  /** Absolute path on the host. */
  readonly source: string;
  /** Make a missing source as a directory (`-v`) instead of refusing (`--mount`). */
  readonly createSource: boolean;
  /** Take mounts below the source along. */
  readonly recursive: boolean;
  /**
   * Whether mounts below a read-only source are read-only, too: where the kernel can (the default),
   * never, or as a condition.
   */
  readonly readOnlyBelow?: 'if-possible' | 'never' | 'always';
  readonly propagation: BindPropagation;
}

/** A volume; without a name it goes with the container. */
export interface VolumeRequest extends SharedMountOptions {
  readonly type: 'volume';
  readonly name?: string;
  /** Fill an empty volume with what the image has at the destination. */
  readonly copyUp: boolean;
  /** Labels of the volume if it is made now. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Mount only this path of the volume, which must be there. */
  readonly subpath?: string;
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
