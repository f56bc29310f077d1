/** Ends a container whose runc is gone before it, as after a SIGKILL of runc alone. */
import { readFileSync, rmdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hasErrno } from '../errors.ts';
import { cgroupDirectories } from './cgroup-path.ts';
import { deleteContainer } from './runc-delete.ts';
import { type RuncRun, signalIfThere } from './runc-run.ts';

const LOOK_AGAIN_MS = 10;
const MOST_LOOKS = 500;

/**
 * Kills every process in the container's control groups, removes the groups, and has runc remove its
 * state. runc knows a container only once it is complete; its first process is in the groups from
 * its first moment. Idempotent: nothing there is fine.
 *
 * @throws EngineError `RUNTIME_FAILED` with runc's words
 */
export async function endContainer(run: RuncRun): Promise<void> {
  const groups = controlGroups(run);
  for (let look = 0; look < MOST_LOOKS && killMembers(groups) > 0; look += 1) {
    await delay(LOOK_AGAIN_MS);
  }
  await deleteContainer(run, run.containerId);
  for (const group of groups) removeGroup(group);
}

/** The directories of a run's control groups; none when it has none of its own. */
export function controlGroups({ cgroupsPath }: RuncRun): string[] {
  if (cgroupsPath === undefined) return [];
  return cgroupDirectories(cgroupsPath, readFileSync('/proc/self/cgroup', 'utf8'));
}

/**
 * Removes one control group; one that is not there is fine.
 *
 * @throws a Node error with `EBUSY` or `ENOTEMPTY` when something is in it
 */
export function removeGroup(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    // Not every hierarchy that could be there is.
    if (!hasErrno(error, 'ENOENT')) throw error;
  }
}

function killMembers(groups: readonly string[]): number {
  const members = new Set(groups.flatMap(membersOf));
  for (const pid of members) signalIfThere(pid, 'SIGKILL');
  return members.size;
}

function membersOf(group: string): number[] {
  try {
    return readFileSync(`${group}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number);
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENODEV')) return [];
    throw error;
  }
}
