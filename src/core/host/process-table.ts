/** Processes of this machine as ps(1) shows them, from /proc. */
import { readFileSync } from 'node:fs';
import { hasErrno } from '../errors.ts';

/** One process. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  /** Its effective user, by number. */
  readonly uid: number;
  readonly startedAt: Date;
  /** Processor time that it has used. */
  readonly cpuSeconds: number;
  /** Such as `pts/0`; `?` without a terminal. */
  readonly terminal: string;
  /** Its arguments, or its name in brackets when it has none. Comes from the process. */
  readonly command: string;
}

/** The kernel counts these for programs, whatever its own tick is. */
const TICKS_PER_SECOND = 100;

/** The entries of these processes, by number. Those that are gone are left out. */
export function readProcesses(pids: readonly number[]): ProcessEntry[] {
  const bootedAt = bootTime();
  return pids.toSorted((a, b) => a - b).flatMap((pid) => readProcess(pid, bootedAt) ?? []);
}

function readProcess(pid: number, bootedAt: number): ProcessEntry | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    // proc(5): field 2 is the name in parentheses and may hold anything; field 3 follows.
    const nameEnd = stat.lastIndexOf(')');
    const fields = stat
      .slice(nameEnd + 2)
      .split(' ')
      .map(Number);
    const field = (number: number): number => fields[number - 3] ?? 0;
    const name = stat.slice(stat.indexOf('(') + 1, nameEnd);
    return {
      pid,
      parentPid: field(4),
      uid: Number(/^Uid:\t\d+\t(\d+)/m.exec(status)?.[1] ?? 0),
      startedAt: new Date((bootedAt + field(22) / TICKS_PER_SECOND) * 1000),
      cpuSeconds: (field(14) + field(15)) / TICKS_PER_SECOND,
      terminal: terminalName(field(7)),
      command: line.replace(/\0+$/, '').replaceAll('\0', ' ') || `[${name}]`,
    };
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
}

/** Seconds since 1970. */
function bootTime(): number {
  return Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1] ?? 0);
}

const PSEUDO_TERMINALS = 136;
const VIRTUAL_TERMINALS = 4;
const TERMINALS_PER_MAJOR = 256;

/** The number of a device as /proc writes it: minor 31..20 and 7..0, major 19..8. */
function terminalName(device: number): string {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  if (major >= PSEUDO_TERMINALS && major < PSEUDO_TERMINALS + 8) {
    return `pts/${minor + (major - PSEUDO_TERMINALS) * TERMINALS_PER_MAJOR}`;
  }
  return major === VIRTUAL_TERMINALS ? `tty${minor}` : '?';
}

/** The host's name of a user; its number when it has none. */
export function userNames(passwd = readFileSync('/etc/passwd', 'utf8')): (uid: number) => string {
  const names = new Map<number, string>();
  for (const line of passwd.split('\n')) {
    const [name, , uid] = line.split(':');
    if (name && uid !== undefined && !names.has(Number(uid))) names.set(Number(uid), name);
  }
  return (uid) => names.get(uid) ?? String(uid);
}
