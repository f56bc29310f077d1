/** What this process and this machine allow, read once per `run`. */

/** Facts that the runtime config depends on. */
export interface HostFacts {
  /** Capabilities that we hold and may pass on, such as `CAP_CHOWN`. */
  readonly capabilities: ReadonlySet<string>;
  /** Our own limits by name (`RLIMIT_NOFILE`); `undefined` is unlimited. */
  readonly hardLimits: ReadonlyMap<string, bigint>;
  readonly cgroupVersion: 'v1' | 'v2';
  /** Controllers that can be used, such as `memory`. */
  readonly cgroupControllers: ReadonlySet<string>;
  /** Whether swap can be limited together with memory. */
  readonly hasSwapLimit: boolean;
  /** Architecture in the names of the image-spec, such as `amd64`. */
  readonly architecture: string;
  readonly kernelRelease: string;
  readonly hostname: string;
  readonly cpuCount: number;
}

/** Reads the facts from /proc and /sys; about a millisecond. */
export function readHostFacts(): HostFacts {
  throw new Error('not built');
}
