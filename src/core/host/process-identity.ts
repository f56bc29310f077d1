/** Processes that are told apart although their numbers come again. */
import { readFileSync } from 'node:fs';
import { hasErrno } from '../errors.ts';

/** One process of this boot: no other ever has both. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot, as /proc writes them; empty when it was gone already. */
  readonly startTime: string;
}

/** The identity of the process that has this number now. */
export function identityOf(pid: number): ProcessIdentity {
  return { pid, startTime: readStat(pid)?.startTime ?? '' };
}

/** Whether the process lives. A zombie does not. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const found = readStat(pid);
  return found !== undefined && found.startTime === startTime && found.state !== 'Z';
}

/** The kernel's random name for the time since the machine was started. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** proc(5): field 3 is the state, field 22 the start time; field 2 may hold anything. */
function readStat(pid: number): { readonly state: string; readonly startTime: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: state ?? '', startTime: fields[18] ?? '' };
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
}
