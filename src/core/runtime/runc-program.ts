/** Which runc there is, how old it is, and how it is called. */
import { EngineError, quote } from '../errors.ts';
import { runToCompletion } from '../host/process.ts';
import { isProgram } from '../host/program.ts';

/**
 * All that runc inherits. It needs a search path for nothing but its own child; our environment
 * may hold secrets and things that steer it (`NOTIFY_SOCKET`, `LISTEN_FDS`, `GODEBUG`).
 */
export const RUNC_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};

const RUNC_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin'];
const COMMAND_TIMEOUT_MS = 10_000;
const MOST_OUTPUT_BYTES = 1024 * 1024;

/**
 * The path of runc: `configured` if given, else the first in the usual directories.
 *
 * @throws EngineError `RUNTIME_NOT_FOUND`
 */
export function findRunc(configured?: string): string {
  const candidates =
    configured === undefined ? RUNC_DIRECTORIES.map((dir) => `${dir}/runc`) : [configured];
  const found = candidates.find(isProgram);
  if (found === undefined) {
    const where =
      configured === undefined ? `in ${RUNC_DIRECTORIES.join(', ')}` : `at ${quote(configured)}`;
    throw new EngineError('RUNTIME_NOT_FOUND', `There is no program runc ${where}.`, {
      hint: 'Install it: apt-get install runc',
    });
  }
  return found;
}

/** The arguments that every call of runc begins with. */
export function runcCommand(
  runc: { readonly runcPath: string; readonly runtimeRoot: string },
  ...args: readonly string[]
): string[] {
  return [runc.runcPath, '--root', runc.runtimeRoot, ...args];
}

/** Runs a short runc command to its end. */
export function callRunc(argv: readonly string[]): ReturnType<typeof runToCompletion> {
  return runToCompletion(argv, {
    env: RUNC_ENVIRONMENT,
    timeoutMs: COMMAND_TIMEOUT_MS,
    maxOutputBytes: MOST_OUTPUT_BYTES,
    cwd: '/',
  });
}

/** Version of a runc, and what is known to be wrong with it. */
export interface RuncVersion {
  /** As runc says it, such as `1.1.5+ds1`. */
  readonly version: string;
  /** One sentence per hole that this version number has; a distribution may have closed it. */
  readonly knownHoles: readonly string[];
}

/**
 * Asks a runc for its version.
 *
 * @throws EngineError `RUNTIME_FAILED` when it does not tell
 */
export async function runcVersion(runcPath: string): Promise<RuncVersion> {
  const { stdout } = await callRunc([runcPath, '--version']);
  const version = /^runc version (\S+)/m.exec(stdout.toString('utf8'))?.[1];
  if (version === undefined) {
    throw new EngineError('RUNTIME_FAILED', `${quote(runcPath)} does not tell its version.`);
  }
  return { version, knownHoles: knownHoles(version) };
}

interface Hole {
  readonly id: string;
  readonly what: string;
  /** The first fixed release of each series, oldest first; later series are fixed. */
  readonly fixedIn: readonly string[];
}

const HOLES: readonly Hole[] = [
  {
    id: 'CVE-2019-5736',
    what: 'a container can overwrite runc',
    fixedIn: ['1.0.0'],
  },
  {
    id: 'CVE-2021-30465',
    what: 'a mount can be led out of the container through a link',
    fixedIn: ['1.0.0'],
  },
  {
    id: 'CVE-2023-27561',
    what: 'a link at /proc escapes the guards',
    fixedIn: ['1.1.5'],
  },
  {
    id: 'CVE-2024-21626',
    what: 'a descriptor of the host leaks into the container',
    fixedIn: ['1.1.12'],
  },
  {
    id: 'CVE-2025-31133',
    what: 'masked paths can be led to files of the host (with CVE-2025-52565, CVE-2025-52881)',
    fixedIn: ['1.2.8', '1.3.3'],
  },
];

/** The holes that a runc of this version number has. Pure. */
export function knownHoles(version: string): string[] {
  const found = numbers(version);
  return HOLES.filter(({ fixedIn }) => !isFixed(found, fixedIn.map(numbers))).map(
    ({ id, what, fixedIn }) => `${id}: ${what}; fixed in ${fixedIn.join(' and ')}.`,
  );
}

function isFixed(found: readonly number[], fixes: readonly (readonly number[])[]): boolean {
  const sameSeries = fixes.find((fix) => fix[0] === found[0] && fix[1] === found[1]);
  const newest = fixes.at(-1) ?? [];
  return compare(found, sameSeries ?? newest) >= 0;
}

/** Major, minor, patch, and -1 for a release candidate, which is older than its release. */
function numbers(version: string): number[] {
  const [, text = '0', candidate] = /^(\d+(?:\.\d+)*)(-rc)?/.exec(version) ?? [];
  const [major = 0, minor = 0, patch = 0] = text.split('.').map(Number);
  return [major, minor, patch, candidate === undefined ? 0 : -1];
}

function compare(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((number, position) => number !== b[position]);
  return index < 0 ? 0 : (a[index] ?? 0) - (b[index] ?? 0);
}
