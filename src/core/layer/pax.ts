/**
 * PAX extended headers (POSIX pax, "pax Extended Header"): a run of records
 * `<length> <key>=<value>\n`, where the length counts the whole record. Values are bytes.
 */
import type { Xattr } from '../oci/layer-index.ts';
import { invalidLayer } from './layer-error.ts';

/** What the PAX header of one entry says. An absent or empty value leaves the tar header's. */
export interface PaxRecords {
  readonly path?: string;
  readonly linkPath?: string;
  readonly sizeBytes?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: PaxTime;
  /** The `SCHILY.xattr.*` records, in order; no name occurs twice. */
  readonly xattrs: readonly Xattr[];
  /** The `GNU.sparse.*` records, without that prefix, in order; two of the keys may repeat. */
  readonly sparse: readonly (readonly [key: string, value: string])[];
}

/** A time; nanoseconds count forward from the seconds, also before 1970. */
export interface PaxTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

const XATTR_PREFIX = 'SCHILY.xattr.';
const SPARSE_PREFIX = 'GNU.sparse.';
/** GNU tar's sparse format 0.0 repeats these two; any other key that repeats is refused. */
const REPEATING_KEYS: ReadonlySet<string> = new Set(['GNU.sparse.offset', 'GNU.sparse.numbytes']);

/**
 * Parses the body of a PAX header strictly.
 *
 * @throws EngineError `LAYER_INVALID` for a record that is malformed, repeated, or out of range.
 */
export function parsePax(body: Buffer): PaxRecords {
  const known: { -readonly [Key in keyof PaxRecords]?: PaxRecords[Key] } = {};
  const xattrs: Xattr[] = [];
  const xattrNames = new Set<string>();
  const sparse: [string, string][] = [];
  for (const { key, value } of paxRecords(body)) {
    if (key.startsWith(XATTR_PREFIX)) {
      const name = unescaped(key.slice(XATTR_PREFIX.length));
      if (xattrNames.has(name)) throw faulty(key, 'occurs twice in one header');
      xattrNames.add(name);
      xattrs.push({ name, value });
    } else if (key.startsWith(SPARSE_PREFIX)) {
      sparse.push([key.slice(SPARSE_PREFIX.length), value.toString('latin1')]);
    } else if (value.length > 0) {
      takeKnown(known, key, value.toString('latin1'));
    }
  }
  return { ...known, xattrs, sparse };
}

/** GNU tar's escapes, and no others: a key ends at its first "=", so a name cannot hold one. */
function unescaped(name: string): string {
  return name.replace(/%3D|%25/g, (found) => (found === '%25' ? '%' : '='));
}

function takeKnown(
  known: { -readonly [Key in keyof PaxRecords]?: PaxRecords[Key] },
  key: string,
  value: string,
): void {
  switch (key) {
    case 'path':
      known.path = withoutNul(key, value);
      break;
    case 'linkpath':
      known.linkPath = withoutNul(key, value);
      break;
    case 'size':
      known.sizeBytes = decimal(key, value);
      break;
    case 'uid':
      known.uid = decimal(key, value);
      break;
    case 'gid':
      known.gid = decimal(key, value);
      break;
    case 'mtime':
      known.mtime = time(key, value);
      break;
    default:
  }
}

function* paxRecords(body: Buffer): Generator<{ key: string; value: Buffer }> {
  const seen = new Set<string>();
  let at = 0;
  while (at < body.length) {
    const space = body.indexOf(0x20, at);
    const digits = space < 0 || space - at > 8 ? '' : body.toString('latin1', at, space);
    const end = /^[1-9][0-9]*$/.test(digits) ? at + Number(digits) : 0;
    const equals = body.indexOf(0x3d, space + 1);
    if (end > body.length || equals < space + 2 || equals > end - 2 || body[end - 1] !== 0x0a) {
      throw invalidLayer(`the PAX record at byte ${at} of its header is malformed`);
    }
    const key = body.toString('latin1', space + 1, equals);
    if (key.includes('\0')) throw invalidLayer('a PAX key contains a NUL byte');
    if (seen.has(key) && !REPEATING_KEYS.has(key)) throw faulty(key, 'occurs twice in one header');
    seen.add(key);
    yield { key, value: body.subarray(equals + 1, end - 1) };
    at = end;
  }
}

function withoutNul(key: string, value: string): string {
  if (value.includes('\0')) throw faulty(key, 'contains a NUL byte');
  return value;
}

function decimal(key: string, value: string): number {
  const number = parseDecimal(value);
  if (number === undefined) throw faulty(key, 'is not a number from 0 to 2^53-1');
  return number;
}

/** A decimal number without a sign, or undefined when `text` is anything else or above 2^53-1. */
export function parseDecimal(text: string): number | undefined {
  const number = /^[0-9]{1,20}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}

function time(key: string, value: string): PaxTime {
  const match = /^(-?)([0-9]{1,40})(?:\.([0-9]{0,40}))?$/.exec(value);
  if (match === null) throw faulty(key, 'is not a time in seconds');
  const [, sign, whole = '', fraction = ''] = match;
  const seconds = Number(whole);
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign === '') return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: 0 - seconds, nanoseconds }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}

function faulty(key: string, why: string): Error {
  return invalidLayer(`the PAX record "${key.slice(0, 100)}" ${why}`);
}
