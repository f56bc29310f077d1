/**
 * Runs one container through `runc run` and stays its parent. runc has our own descriptors, so
 * nothing is copied; it ends when the container's first process has ended.
 */
import { type FSWatcher, readFileSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError, hasErrno } from '../errors.ts';
import { type ProcessEnd, spawnAttached } from '../host/process.ts';
import { parseSignal } from '../oci/signals.ts';
import { runcFailure } from './runc-log.ts';
import { callRunc, RUNC_ENVIRONMENT, runcCommand } from './runc-program.ts';

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
  /** Called once when the container's process runs, with its pid on the host. */
  readonly onStarted?: (pid: number) => void;
}

/** A container that runc is running. */
export interface RunningContainer {
  /** The pid of runc. */
  readonly pid: number;
  /** Resolves when runc has ended, which is after the container's process; never rejects. */
  readonly exited: Promise<ContainerExit>;
  /** Passes a signal on to the container's first process; runc does it, also while it starts. */
  forward(signal: NodeJS.Signals | number): void;
  /** Kills the container, also one that is only starting; resolves when runc has ended. */
  kill(): Promise<void>;
}

/** How a container ended. */
export interface ContainerExit {
  /** The status for our caller: the container's own, 128+n after a signal, 125 to 127. */
  readonly status: number;
  /** Whether the container's process was started at all. */
  readonly isStarted: boolean;
  /**
   * Why the container's process never ran. runc has printed its own words on stderr already.
   * `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE` or `RUNTIME_FAILED`.
   */
  readonly failure?: EngineError;
}

const PID_FILE = 'pid';
const LOG_FILE = 'runc.log';
const KILL_RETRY_MS = 50;
const ENGINE_FAILED = 125;

/**
 * Starts `runc run`. The bundle must be complete and the root mounted at `rootfs` in it.
 *
 * When we are killed, runc and the container live on: `startWatch` is for that.
 *
 * @throws SystemCallError when runc cannot be started
 */
export function runContainer(run: RuncRun): RunningContainer {
  rmSync(join(run.bundleDir, PID_FILE), { force: true });
  const watcher = run.onStarted === undefined ? undefined : onPidFile(run, run.onStarted);
  const child = spawnAttached(runArguments(run), {
    stdio: [run.stdin, 'inherit', 'inherit'],
    env: RUNC_ENVIRONMENT,
    newSession: !run.tty,
  });
  let isRunning = true;
  const exited = child.exited.then((end) => {
    isRunning = false;
    watcher?.close();
    return containerExit(run, end);
  });
  return {
    pid: child.pid,
    exited,
    forward: (signal) => {
      // runc keeps this one to itself, also where it has no terminal to follow.
      const pid = signal === 'SIGWINCH' && !run.tty ? readPid(run) : undefined;
      // By number, too: Node has no names for real-time signals.
      if (isRunning) signalIfThere(pid ?? child.pid, signal);
    },
    kill: async () => {
      while (isRunning) {
        await callRunc(runcCommand(run, 'kill', run.containerId, 'KILL'));
        await Promise.race([exited, delay(KILL_RETRY_MS)]);
      }
    },
  };
}

function signalIfThere(pid: number, signal: NodeJS.Signals | number): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!hasErrno(error, 'ESRCH')) throw error;
  }
}

function runArguments(run: RuncRun): string[] {
  const { bundleDir } = run;
  return runcCommand(
    run,
    '--log',
    join(bundleDir, LOG_FILE),
    '--log-format',
    'json',
    'run',
    '--bundle',
    bundleDir,
    '--pid-file',
    join(bundleDir, PID_FILE),
    run.containerId,
  );
}

/** runc writes the file under another name and renames it, so it is complete once it is there. */
function onPidFile(run: RuncRun, onStarted: (pid: number) => void): FSWatcher {
  let isReported = false;
  const watcher = watch(run.bundleDir, { persistent: false }, (_event, fileName) => {
    const pid = fileName === PID_FILE && !isReported ? readPid(run) : undefined;
    if (pid !== undefined) {
      isReported = true;
      onStarted(pid);
    }
  });
  return watcher;
}

function readPid(run: RuncRun): number | undefined {
  const text = readIfPresent(join(run.bundleDir, PID_FILE));
  return text === undefined ? undefined : Number(text);
}

function containerExit(run: RuncRun, end: ProcessEnd): ContainerExit {
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

/**
 * Kills and removes whatever runc holds of a container, such as one whose supervisor is gone.
 * Idempotent: nothing there is fine.
 *
 * @throws EngineError `RUNTIME_FAILED` with runc's words
 */
export async function deleteContainer(
  runc: { readonly runcPath: string; readonly runtimeRoot: string },
  containerId: string,
): Promise<void> {
  const end = await callRunc(runcCommand(runc, 'delete', '--force', containerId));
  if (end.status !== 0) {
    throw new EngineError(
      'RUNTIME_FAILED',
      `runc could not remove the container ${containerId}: ${end.stderr.toString('utf8').trim()}`,
    );
  }
}
