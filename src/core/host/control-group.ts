/** Control groups by their directories, of either version. */
import { existsSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { hasErrno } from '../errors.ts';

/** The processes in any of these groups. A group that is not there has none. */
export function groupMembers(groups: readonly string[]): number[] {
  return [...new Set(groups.flatMap(membersOf))];
}

/** Sends SIGKILL to all processes in these groups, frozen ones too; returns how many there were. */
export function killGroupMembers(groups: readonly string[]): number {
  const members = groupMembers(groups);
  for (const pid of members) killIfThere(pid);
  if (members.length > 0) thawGroups(groups);
  return members.length;
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

/** Whether the processes in these groups are frozen, or about to be. */
export function areFrozen(groups: readonly string[]): boolean {
  return groups.some((group) => {
    const state = readKnob(`${group}/freezer.state`) ?? readKnob(`${group}/cgroup.freeze`) ?? '';
    return state === 'FROZEN' || state === 'FREEZING' || state === '1';
  });
}

/** Lets frozen processes go on, without which not even SIGKILL reaches them in version 1. */
export function thawGroups(groups: readonly string[]): void {
  for (const group of groups) {
    writeKnob(`${group}/freezer.state`, 'THAWED');
    writeKnob(`${group}/cgroup.freeze`, '0');
  }
}

/** How many processes in these groups the kernel has killed for want of memory. */
export function outOfMemoryKills(groups: readonly string[]): number {
  const counts = groups.flatMap((group) =>
    [`${group}/memory.oom_control`, `${group}/memory.events`].map((file) =>
      Number(/^oom_kill (\d+)$/m.exec(readKnob(file) ?? '')?.[1] ?? 0),
    ),
  );
  return Math.max(0, ...counts);
}

function membersOf(group: string): number[] {
  return (readKnob(`${group}/cgroup.procs`) ?? '').split('\n').filter(Boolean).map(Number);
}

function readKnob(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch (error) {
    // EOPNOTSUPP: a group of threads, which this is not the place for.
    const isNothing = ['ENOENT', 'ENODEV', 'ENOTSUP'].some((code) => hasErrno(error, code));
    if (isNothing) return undefined;
    throw error;
  }
}

function writeKnob(path: string, text: string): void {
  if (!existsSync(path)) return;
  try {
    writeFileSync(path, text);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT') && !hasErrno(error, 'ENODEV')) throw error;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasErrno(error, 'ESRCH')) throw error;
  }
}
