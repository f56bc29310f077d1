/** The resource limits of this process, which are the most that a container can be given. */
import { readFileSync } from 'node:fs';

/** A limit in the unit of its type; `UNLIMITED` stands for none. */
export interface ResourceLimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** What the kernel and the runtime-spec write for "no limit". */
export const UNLIMITED = 0xffff_ffff_ffff_ffffn;

// The names of /proc/PID/limits, and those of getrlimit(2) that the runtime-spec has.
const NAMES: ReadonlyMap<string, string> = new Map([
  ['Max cpu time', 'RLIMIT_CPU'],
  ['Max file size', 'RLIMIT_FSIZE'],
  ['Max data size', 'RLIMIT_DATA'],
  ['Max stack size', 'RLIMIT_STACK'],
  ['Max core file size', 'RLIMIT_CORE'],
  ['Max resident set', 'RLIMIT_RSS'],
  ['Max processes', 'RLIMIT_NPROC'],
  ['Max open files', 'RLIMIT_NOFILE'],
  ['Max locked memory', 'RLIMIT_MEMLOCK'],
  ['Max address space', 'RLIMIT_AS'],
  ['Max file locks', 'RLIMIT_LOCKS'],
  ['Max pending signals', 'RLIMIT_SIGPENDING'],
  ['Max msgqueue size', 'RLIMIT_MSGQUEUE'],
  ['Max nice priority', 'RLIMIT_NICE'],
  ['Max realtime priority', 'RLIMIT_RTPRIO'],
  ['Max realtime timeout', 'RLIMIT_RTTIME'],
]);

/**
 * The limits of this process by their names in the runtime-spec. Node raises its own soft limit
 * for open files to the hard one when it starts, so that one is not what our caller had.
 */
export function readLimits(): Map<string, ResourceLimit> {
  return parseLimits(readFileSync('/proc/self/limits', 'utf8'));
}

/** The limits in the text of a /proc/PID/limits; lines that it does not know are left out. */
export function parseLimits(text: string): Map<string, ResourceLimit> {
  const limits = new Map<string, ResourceLimit>();
  for (const line of text.split('\n')) {
    const match = /^(Max .*?) {2,}(\w+) +(\w+)/.exec(line);
    const name = NAMES.get(match?.[1] ?? '');
    if (name !== undefined && match?.[2] !== undefined && match[3] !== undefined) {
      limits.set(name, { soft: parseValue(match[2]), hard: parseValue(match[3]) });
    }
  }
  return limits;
}

function parseValue(word: string): bigint {
  return word === 'unlimited' ? UNLIMITED : BigInt(word);
}
