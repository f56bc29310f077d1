/**
 * Runs a container through `runc run`, which stays its parent: the way for a terminal, which runc
 * copies to ours, and for descriptors that must not be handed on (see `runc.ts`).
 */
import { type FSWatcher, watch } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { spawnAttached } from '../host/process.ts';
import { endContainer } from './end-container.ts';
import { callRunc, RUNC_ENVIRONMENT, runcCommand } from './runc-program.ts';
import {
  containerExit,
  PID_FILE,
  type RuncRun,
  type RunningContainer,
  readPid,
  removePidFile,
  runArguments,
} from './runc-run.ts';
import { SignalMailbox } from './signal-mailbox.ts';

const KILL_RETRY_MS = 50;

/** Starts `runc run` and lets it copy. @throws SystemCallError when runc cannot be started */
export function runAttached(run: RuncRun): RunningContainer {
  removePidFile(run);
  const mailbox = new SignalMailbox();
  const watcher = onPidFile(run, (pid) => {
    mailbox.open(pid);
    run.onStarted?.(pid);
  });
  const child = spawnAttached(runArguments(run), {
    stdio: [run.stdin, 'inherit', 'inherit'],
    env: RUNC_ENVIRONMENT,
    newSession: !run.tty,
  });
  let isRunning = true;
  const exited = child.exited.then(async (end) => {
    isRunning = false;
    mailbox.close();
    watcher.close();
    // runc itself was killed: the container goes on without it, or is half made.
    if (end.signalName !== null) await endContainer(run);
    return containerExit(run, end);
  });
  return {
    pid: child.pid,
    exited,
    forward: (signal) => {
      // Not through runc: with a terminal it takes a SIGINT as its own end and leaves the container.
      mailbox.send(signal);
    },
    kill: async () => {
      while (isRunning) {
        await callRunc(runcCommand(run, 'kill', run.containerId, 'KILL'));
        // Nothing runs yet: then it is runc that hangs.
        if (readPid(run) === undefined) child.kill('SIGKILL');
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
