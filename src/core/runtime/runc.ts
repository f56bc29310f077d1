/** The driver of runc: find it, know its version, run one container and stay its parent. */

/** One `runc run`. */
export interface RuncRun {
  readonly runcPath: string;
  /** Where runc keeps its state, for `--root`. */
  readonly runtimeRoot: string;
  readonly bundleDir: string;
  readonly containerId: string;
  /** `inherit` gives our own stdin; `ignore` an empty one. stdout and stderr are always ours. */
  readonly stdin: 'inherit' | 'ignore';
  /** Whether the container has a terminal, which runc then copies to ours. */
  readonly tty: boolean;
  /** Called once when the container's process runs, with its pid on the host. */
  readonly onStarted?: (pid: number) => void;
}

/** A container that runc is running. */
export interface RunningContainer {
  /** The pid of runc. */
  readonly pid: number;
  /** Resolves when runc has ended, which is after the container's process; never rejects. */
  readonly exited: Promise<ContainerExit>;
  /** Passes a signal on to the container's first process. */
  forward(signalName: NodeJS.Signals): void;
  /** Kills the container, also one that is only starting; resolves when runc has ended. */
  kill(): Promise<void>;
}

/** How a container ended. */
export interface ContainerExit {
  /** The status for our caller: the container's own, 128+n after a signal, 125 to 127. */
  readonly status: number;
  /** Whether the container's process was started at all. */
  readonly isStarted: boolean;
  /** What runc itself reported, if it failed. runc has printed it on stderr already. */
  readonly messages: readonly string[];
}

/** Finds runc: `configured` if given, else the usual directories.
 * @throws EngineError `RUNTIME_NOT_FOUND` */
export function findRunc(configured?: string): string {
  throw new Error(`not built: ${configured}`);
}

/** Version of a runc, and what is known to be wrong with it. */
export interface RuncVersion {
  readonly version: string;
  readonly knownHoles: readonly string[];
}

/** Asks a runc for its version. */
export async function runcVersion(runcPath: string): Promise<RuncVersion> {
  throw new Error(`not built: ${runcPath}`);
}

/** Starts `runc run`. */
export function runContainer(run: RuncRun): RunningContainer {
  throw new Error(`not built: ${run.containerId}`);
}

/** Removes what runc holds of a container whose supervisor is gone. Idempotent. */
export async function deleteContainer(
  runcPath: string,
  runtimeRoot: string,
  containerId: string,
): Promise<void> {
  throw new Error(`not built: ${runcPath} ${runtimeRoot} ${containerId}`);
}
