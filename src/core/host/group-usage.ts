/** What the processes of a control group use, from the files of either version. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { hasErrno } from '../errors.ts';

/** One reading. */
export interface GroupUsage {
  /** Processor time since the group was made. */
  readonly cpuNanoseconds: bigint;
  /** Without pages of files that can be dropped at once. */
  readonly memoryBytes: number;
  /** The group's limit, or all of the machine's memory. */
  readonly memoryLimitBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly pids: number;
}

/** Reads the groups of one container, one per hierarchy; undefined when they are gone. */
export function readGroupUsage(groups: readonly string[]): GroupUsage | undefined {
  const knob = (...names: string[]): string | undefined => {
    const paths = names.flatMap((name) => groups.map((group) => `${group}/${name}`));
    for (const path of paths) {
      const text = readKnob(path);
      if (text !== undefined) return text;
    }
    return undefined;
  };
  const cpu = cpuTime(knob('cpuacct.usage'), knob('cpu.stat'));
  const memory = knob('memory.usage_in_bytes', 'memory.current');
  if (cpu === undefined && memory === undefined) return undefined;
  const droppable = numberIn(knob('memory.stat'), /^(?:total_)?inactive_file (\d+)$/gm);
  const limit = Number(knob('memory.limit_in_bytes', 'memory.max') ?? 'max');
  return {
    cpuNanoseconds: cpu ?? 0n,
    memoryBytes: Math.max(Number(memory ?? 0) - droppable, 0),
    memoryLimitBytes: limit > 0 && limit < totalmem() ? limit : totalmem(),
    ...blockTransfer(knob),
    pids: Number(knob('pids.current') ?? 0),
  };
}

function cpuTime(nanoseconds: string | undefined, stat: string | undefined): bigint | undefined {
  if (nanoseconds !== undefined && /^\d+$/.test(nanoseconds)) return BigInt(nanoseconds);
  const microseconds = /^usage_usec (\d+)$/m.exec(stat ?? '')?.[1];
  return microseconds === undefined ? undefined : BigInt(microseconds) * 1000n;
}

/** Version 1 has the number of the group alone first and that with all below it later. */
function numberIn(text: string | undefined, pattern: RegExp): number {
  return Number(Array.from((text ?? '').matchAll(pattern)).at(-1)?.[1] ?? 0);
}

function blockTransfer(knob: (...names: string[]) => string | undefined) {
  const v1 = knob('blkio.throttle.io_service_bytes_recursive', 'blkio.throttle.io_service_bytes');
  if (v1 !== undefined) {
    return {
      readBytes: sum(v1, /^\d+:\d+ Read (\d+)$/gm),
      writtenBytes: sum(v1, /^\d+:\d+ Write (\d+)$/gm),
    };
  }
  const v2 = knob('io.stat') ?? '';
  return { readBytes: sum(v2, /\brbytes=(\d+)/g), writtenBytes: sum(v2, /\bwbytes=(\d+)/g) };
}

function sum(text: string, pattern: RegExp): number {
  return Array.from(text.matchAll(pattern)).reduce((total, [, bytes]) => total + Number(bytes), 0);
}

function readKnob(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch (error) {
    const isNothing = ['ENOENT', 'ENODEV', 'ENOTSUP'].some((code) => hasErrno(error, code));
    if (isNothing) return undefined;
    throw error;
  }
}

/** What has come and gone over the network interfaces of a process, but for loopback. */
export interface NetworkUsage {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** Reads it; nothing when the process is gone. */
export function readNetworkUsage(pid: number): NetworkUsage {
  const lines = (readGone(`/proc/${pid}/net/dev`) ?? '').split('\n');
  const counters = lines.flatMap((line) => {
    const [, name, numbers = ''] = /^\s*(\S+):\s*(.*)$/.exec(line) ?? [];
    return name === undefined || name === 'lo' ? [] : [numbers.split(/\s+/).map(Number)];
  });
  return {
    receivedBytes: counters.reduce((total, [received = 0]) => total + received, 0),
    sentBytes: counters.reduce((total, numbers) => total + (numbers[8] ?? 0), 0),
  };
}

function readGone(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    const isGone = ['ENOENT', 'ESRCH', 'EINVAL'].some((code) => hasErrno(error, code));
    if (isGone) return undefined;
    throw error;
  }
}
