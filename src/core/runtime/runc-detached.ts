/**
 * Runs a container on our own descriptors.
 *
 * `runc run` puts pipes between the container and us and copies. `runc run --detach` hands our
 * descriptors on as they are and ends as soon as the container runs; the container's first process
 * then becomes our child, and we learn its exact end. What `runc run` would have removed at the end
 * is left to us.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { adoptOrphans, waitForOrphan } from '../host/child-reaper.ts';
import { outOfMemoryKills, removeGroup } from '../host/control-group.ts';
import { type AttachedProcess, spawnAttached } from '../host/process.ts';
import { parseSignal } from '../oci/signals.ts';
import { controlGroups, endContainer } from './end-container.ts';
import { RUNC_ENVIRONMENT } from './runc-program.ts';
import {
  type ContainerExit,
  containerExit,
  type RuncRun,
  type RunningContainer,
  readPid,
  removePidFile,
  runArguments,
} from './runc-run.ts';
import { SignalMailbox } from './signal-mailbox.ts';

/** Starts `runc run --detach`. @throws SystemCallError when runc cannot be started */
export function runDetached(run: RuncRun): RunningContainer {
  adoptOrphans();
  removePidFile(run);
  const console = run.consoleSocket === undefined ? [] : ['--console-socket', run.consoleSocket];
  const runc = spawnAttached(runArguments(run, '--detach', ...console), {
    stdio: [...(run.stdio ?? [run.stdin, 'inherit', 'inherit'])],
    env: RUNC_ENVIRONMENT,
    newSession: true,
  });
  const mailbox = new SignalMailbox();
  const exited = supervise(run, runc, mailbox);
  return {
    pid: runc.pid,
    exited,
    forward: (signal) => mailbox.send(signal),
    kill: async () => {
      mailbox.send('SIGKILL');
      // Nothing runs yet: then it may be runc that hangs.
      if (readPid(run) === undefined) runc.kill('SIGKILL');
      await exited;
    },
  };
}

async function supervise(
  run: RuncRun,
  runc: AttachedProcess,
  mailbox: SignalMailbox,
): Promise<ContainerExit> {
  const started = await runc.exited;
  const pid = readPid(run);
  if (started.status !== 0 || pid === undefined) {
    // runc itself was killed: the container may be half made.
    if (started.signalName !== null) await endContainer(run);
    return containerExit(run, started);
  }
  mailbox.open(pid);
  run.onStarted?.(pid);
  const end = await waitForOrphan(pid, () => mailbox.close());
  const isOutOfMemory = end.signalName === 'SIGKILL' && outOfMemoryKills(controlGroups(run)) > 0;
  await removeState(run);
  const status = end.signalName === null ? end.status : 128 + (parseSignal(end.signalName) ?? 0);
  return {
    status: status ?? 0,
    isStarted: true,
    ...(end.signalName === null ? {} : { signal: end.signalName }),
    ...(isOutOfMemory ? { isOutOfMemory } : {}),
  };
}

/**
 * What `runc delete` does, without starting it: all processes of the container are gone with the
 * first one, so its control groups are empty. Where they are not, as with groups that the container
 * made below, runc takes over.
 */
async function removeState(run: RuncRun): Promise<void> {
  try {
    for (const group of controlGroups(run)) removeGroup(group);
    rmSync(join(run.runtimeRoot, run.containerId), { recursive: true, force: true });
  } catch (error) {
    const isNotEmpty = ['EBUSY', 'ENOTEMPTY', 'EPERM'].some((code) => hasErrno(error, code));
    if (!isNotEmpty) throw error;
    await endContainer(run);
  }
}
