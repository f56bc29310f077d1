/**
 * Runs a container through `runc run`, which stays its parent: the way for a terminal, which runc
 * copies to ours, and for descriptors that must not be handed on (see `runc.ts`).
 */
import { type FSWatcher, watch } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { spawnAttached } from '../host/process.ts';
import { callRunc, RUNC_ENVIRONMENT, runcCommand } from './runc-program.ts';
import {
  containerExit,
  PID_FILE,
  type RuncRun,
  type RunningContainer,
  readPid,
  removePidFile,
  runArguments,
  signalIfThere,
} from './runc-run.ts';

const KILL_RETRY_MS = 50;

/** Starts `runc run` and lets it copy. @throws SystemCallError when runc cannot be started */
export function runAttached(run: RuncRun): RunningContainer {
  removePidFile(run);
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
