/** What `top` shows of processes: the columns of `ps -ef`. */
import type { ContainerProcessInfo, PsTable } from '../core/operations/container-processes.ts';

const TITLES = ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'];
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** The processes as ps(1) would show them. */
export function processTable(processes: readonly ContainerProcessInfo[], now: Date): PsTable {
  return { titles: TITLES, rows: processes.map((entry) => cells(entry, now)) };
}

function cells(entry: ContainerProcessInfo, now: Date): string[] {
  const { user, pid, parentPid, startedAt, cpuSeconds, terminal, command } = entry;
  const seconds = Math.max((now.getTime() - startedAt.getTime()) / 1000, 1);
  const percent = Math.min(Math.floor((cpuSeconds / seconds) * 100), 99);
  return [
    user,
    String(pid),
    String(parentPid),
    String(percent),
    startText(startedAt, now),
    terminal,
    spanText(cpuSeconds),
    command,
  ];
}

const DAY_MS = 86_400_000;

/** `13:05`, `Nov23`, `2025`: as far back as it is. Times are those of this machine. */
function startText(start: Date, now: Date): string {
  const isToday = now.getTime() - start.getTime() < DAY_MS && now.getDate() === start.getDate();
  if (isToday) return [start.getHours(), start.getMinutes()].map(twoDigits).join(':');
  if (start.getFullYear() !== now.getFullYear()) return String(start.getFullYear());
  return `${MONTHS[start.getMonth()]}${twoDigits(start.getDate())}`;
}

/** `00:01:05`, `2-00:00:00`. */
function spanText(seconds: number): string {
  const whole = Math.floor(seconds);
  const days = Math.floor(whole / 86_400);
  const clock = [Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  return `${days > 0 ? `${days}-` : ''}${clock.map(twoDigits).join(':')}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
