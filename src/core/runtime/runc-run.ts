/** What the two ways to run a container through runc share. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, hasErrno } from '../errors.ts';
import type { ProcessEnd } from '../host/process.ts';
import { parseSignal } from '../oci/signals.ts';
import { runcFailure } from './runc-log.ts';
import { runcCommand } from './runc-program.ts';

/** One `runc run`. */
export interface RuncRun {
  readonly runcPath: string;
  /** Where runc keeps its state, for `--root`. */
  readonly runtimeRoot: string;
  readonly bundleDir: string;
  readonly containerId: string;
  /** `inherit` gives our own stdin; `ignore` an empty one. stdout and stderr are always ours. */
  readonly stdin: 'inherit' | 'ignore';
  /**
   * Whether the container has a terminal, which runc then copies to ours. Without one runc gets a
   * session of its own, so that a Ctrl-C reaches it only when we pass it on.
   */
  readonly tty: boolean;
  /** User of the container's process, by number. */
  readonly uid: number;
  /** `cgroupsPath` of the runtime config. */
  readonly cgroupsPath?: string;
  /** The container's descriptors 0 to 2, where they are not ours. Then runc never copies. */
  readonly stdio?: readonly (number | 'ignore')[];
  /** Where a socket listens that takes the terminal of a container; `stdio` is given then, too. */
  readonly consoleSocket?: string;
  /** Called once when the container's process runs, with its pid on the host. */
  readonly onStarted?: (pid: number) => void;
}

/** A container that runc is running. */
export interface RunningContainer {
  /** The pid of runc. */
  readonly pid: number;
  /** Resolves when the container's process has ended and runc holds nothing of it. */
  readonly exited: Promise<ContainerExit>;
  /** Passes a signal on to the container's first process; while that starts, as soon as it runs. */
  forward(signal: NodeJS.Signals | number): void;
  /** Kills the container, also one that is only starting; resolves when it has ended. */
  kill(): Promise<void>;
}

/** How a container ended. */
export interface ContainerExit {
  /** The status for our caller: the container's own, 128+n after a signal, 125 to 127. */
  readonly status: number;
  /** Whether the container's process was started at all. */
  readonly isStarted: boolean;
  /** The signal that ended its process, where that is known. */
  readonly signal?: string;
  /** Whether it ended for want of memory. */
  readonly isOutOfMemory?: boolean;
  /**
   * Why the container's process never ran. runc has printed its own words on stderr already.
   * `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE` or `RUNTIME_FAILED`.
   */
  readonly failure?: EngineError;
}

/** File in the bundle directory that holds the pid of the container's first process. */
export const PID_FILE = 'pid';
const LOG_FILE = 'runc.log';
const ENGINE_FAILED = 125;

/** Forgets an earlier run of the same bundle. */
export function removePidFile(run: RuncRun): void {
  rmSync(join(run.bundleDir, PID_FILE), { force: true });
}

/** Sends a signal; a process that has ended is no failure. */
export function signalIfThere(pid: number, signal: NodeJS.Signals | number): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!hasErrno(error, 'ESRCH')) throw error;
  }
}

/** The command line of `runc run`, with further flags for `run`. */
export function runArguments(run: RuncRun, ...flags: readonly string[]): string[] {
  const { bundleDir } = run;
  return runcCommand(
    run,
    '--log',
    join(bundleDir, LOG_FILE),
    '--log-format',
    'json',
    'run',
    ...flags,
    '--bundle',
    bundleDir,
    '--pid-file',
    join(bundleDir, PID_FILE),
    run.containerId,
  );
}

/** The container's first process, as soon as runc has started it. */
export function readPid(run: RuncRun): number | undefined {
  const text = readIfPresent(join(run.bundleDir, PID_FILE));
  return text === undefined ? undefined : Number(text);
}

/** How a run ended that runc itself saw the end of. */
export function containerExit(run: RuncRun, end: ProcessEnd): ContainerExit {
  const isStarted = readPid(run) !== undefined;
  const log = readIfPresent(join(run.bundleDir, LOG_FILE)) ?? '';
  const failure = isStarted ? undefined : runcFailure(log);
  if (failure !== undefined) {
    return { status: failureStatus(failure), isStarted, failure };
  }
  if (end.signalName !== null) {
    // runc itself was killed; the container's own death by signal is a status of runc's.
    return { status: 128 + (parseSignal(end.signalName) ?? 0), isStarted };
  }
  if (!isStarted) {
    const message = `runc ended with status ${end.status} before the container was started.`;
    return {
      status: ENGINE_FAILED,
      isStarted,
      failure: new EngineError('RUNTIME_FAILED', message),
    };
  }
  return { status: end.status ?? ENGINE_FAILED, isStarted };
}

function failureStatus(failure: EngineError): number {
  switch (failure.code) {
    case 'COMMAND_NOT_FOUND':
      return 127;
    case 'COMMAND_NOT_EXECUTABLE':
      return 126;
    default:
      return ENGINE_FAILED;
  }
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw error;
  }
}
