/** Numbers and sizes of `dray run`, in docker's notation. */
import { quote } from '../../core/errors.ts';
import { RLIM_INFINITY, RLIMIT_TYPES } from '../../core/oci/rlimit-names.ts';
import type { RlimitRequest } from '../../core/runtime/run-options.ts';
import { usageError } from './usage-error.ts';

const UNITS = ['', 'k', 'm', 'g', 't', 'p'];

/**
 * Bytes from a size such as `512m`, `1.5g`, `64 KiB` or `1048576`. Units are powers of 1024,
 * whatever is written after them, as docker has it.
 */
export function parseSize(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp])?(?:i?b)?$/i.exec(text.trim());
  const unit = UNITS.indexOf((match?.[2] ?? '').toLowerCase());
  const bytes = match === null ? Number.NaN : Math.trunc(Number(match[1]) * 1024 ** unit);
  if (!Number.isSafeInteger(bytes)) {
    throw usageError(`${flag} ${quote(text)} is not a size.`, {
      hint: `Give bytes, or a number with a unit: ${flag} 512m`,
    });
  }
  return bytes;
}

/** A number of processors, such as `1.5`; 0 is no limit. */
export function parseCpus(text: string): number {
  if (!/^(\d+(\.\d*)?|\.\d+)$/.test(text)) {
    throw usageError(`--cpus ${quote(text)} is not a number of processors, such as 1.5.`);
  }
  return Number(text);
}

/** A process limit; 0 and -1 are none. */
export function parsePidsLimit(text: string): number | 'unlimited' {
  if (text === '0' || text === '-1') {
    return 'unlimited';
  }
  if (!/^[1-9]\d{0,9}$/.test(text)) {
    throw usageError(`--pids-limit ${quote(text)} is not a number of processes, 0 or -1.`);
  }
  return Number(text);
}

/** Whole seconds. */
export function parseSeconds(text: string, flag: string): number {
  if (!/^\d{1,7}$/.test(text)) {
    throw usageError(`${flag} ${quote(text)} is not a number of seconds.`);
  }
  return Number(text);
}

/** One `--ulimit NAME=SOFT[:HARD]`; -1 and `unlimited` are no limit. */
export function parseUlimit(text: string): RlimitRequest {
  const [, name = '', softText = '', hardText] = /^([a-z]+)=([^:]+)(?::(.+))?$/.exec(text) ?? [];
  const type = RLIMIT_TYPES.get(name);
  const soft = parseLimit(softText);
  const hard = hardText === undefined ? soft : parseLimit(hardText);
  if (type === undefined || soft === undefined || hard === undefined) {
    throw usageError(`--ulimit ${quote(text)} is not of the form NAME=SOFT[:HARD].`, {
      hint: `Names are ${[...RLIMIT_TYPES.keys()].join(', ')}.`,
    });
  }
  if (soft > hard) {
    throw usageError(`--ulimit ${quote(text)} has a soft limit above its hard limit.`);
  }
  return { type, soft, hard };
}

function parseLimit(text: string): bigint | undefined {
  if (text === '-1' || text === 'unlimited') {
    return RLIM_INFINITY;
  }
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : undefined;
  return value !== undefined && value <= RLIM_INFINITY ? value : undefined;
}

/** A number of lines; undefined for `all`, which is also what docker takes a negative one for. */
export function parseTail(text: string, flag: string): number | undefined {
  if (text === 'all' || /^-\d+$/.test(text)) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw usageError(`${flag} ${quote(text)} is neither a number of lines nor "all".`);
}
