/**
 * Whether the program of a container can be run, decided from the root file system before the
 * runtime is started. This is what tells exit status 126 from 127; no error text is matched.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { EngineError, quote } from '../errors.ts';
import { isNativeMachine, PROGRAM_START_BYTES, programFormat } from './program-format.ts';
import { isWithin, lstatIfPresent, resolveRootPath } from './root-path.ts';
import type { ResolvedUser } from './user.ts';
import type { MountedRoot } from './working-directory.ts';

/** What is known of a program. */
export type Executable =
  /** `path` is where it lies; on a mount nothing can be said and the runtime decides. */
  | { readonly kind: 'found'; readonly path: string; readonly isDecided: boolean }
  | { readonly kind: 'not-found'; readonly reason: string }
  | { readonly kind: 'not-executable'; readonly reason: string };

/** Where and for whom a program is looked up. */
export interface ExecutableSearch {
  readonly root: MountedRoot;
  /** `PATH` of the container. */
  readonly searchPath: string;
  /** Working directory, absolute and without links. */
  readonly directory: string;
  /** Where something will be mounted, absolute and without links. */
  readonly mountDestinations: readonly string[];
  readonly user: ResolvedUser;
  /** Architecture of this machine, such as `amd64`. */
  readonly architecture: string;
  /** Whether the kernel was taught further formats (binfmt_misc): then nothing is refused for its. */
  readonly hasForeignFormats: boolean;
}

/** Scripts whose interpreters are scripts; the kernel stops there too. */
const MOST_INTERPRETERS = 5;

/**
 * Looks a program up as the runtime does: a name with a slash is a path, any other name is searched
 * in `PATH`, where what cannot be run is passed over.
 */
export function findExecutable(program: string, search: ExecutableSearch): Executable {
  if (program.includes('/')) {
    return examine(program, search);
  }
  for (const directory of search.searchPath.split(':')) {
    const candidate = examine(`${directory === '' ? '.' : directory}/${program}`, search);
    if (candidate.kind === 'found') {
      return candidate;
    }
  }
  const reason = `there is no program ${quote(program)} in its PATH (${quote(search.searchPath)})`;
  return { kind: 'not-found', reason };
}

/**
 * The same, as an error.
 *
 * @throws EngineError `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`
 */
export function assertExecutable(program: string, search: ExecutableSearch): void {
  const executable = findExecutable(program, search);
  if (executable.kind !== 'found') {
    throw new EngineError(
      executable.kind === 'not-found' ? 'COMMAND_NOT_FOUND' : 'COMMAND_NOT_EXECUTABLE',
      `The container cannot run ${quote(program)}: ${executable.reason}.`,
    );
  }
}

function examine(path: string, search: ExecutableSearch, depth = 0): Executable {
  const absolute = path.startsWith('/') ? path : `${search.directory}/${path}`;
  const resolved = resolveRootPath(search.root.path, absolute);
  const onMount = search.mountDestinations.some((mount) => isWithin(resolved, mount));
  if (onMount) {
    return { kind: 'found', path: resolved, isDecided: false };
  }
  // `resolved` has no links, so this is inside the root.
  const stats = lstatIfPresent(search.root.path + resolved);
  if (stats === undefined) {
    return { kind: 'not-found', reason: `the image has no file ${quote(path)}` };
  }
  if (!stats.isFile()) {
    const found = stats.isDirectory() ? 'a directory' : 'not a regular file';
    return { kind: 'not-executable', reason: `${quote(path)} is ${found}` };
  }
  if (!mayExecute(stats, search.user)) {
    const reason = `user ${search.user.uid} has no permission to execute ${quote(path)}`;
    return { kind: 'not-executable', reason };
  }
  return (
    examineFormat(resolved, search, depth) ?? { kind: 'found', path: resolved, isDecided: true }
  );
}

/** Why the kernel would not execute this file although it may; undefined when it would. */
function examineFormat(
  resolved: string,
  search: ExecutableSearch,
  depth: number,
): Executable | undefined {
  const format = programFormat(readStart(search.root.path + resolved));
  const isForeign =
    format.kind === 'unknown' ||
    (format.kind === 'elf' && !isNativeMachine(format.machine, search.architecture));
  if (isForeign) {
    const found = format.kind === 'elf' ? 'a program for another processor' : 'not a program';
    const reason = `${quote(resolved)} is ${found} (exec format error)`;
    return search.hasForeignFormats ? undefined : { kind: 'not-executable', reason };
  }
  if (format.interpreter === undefined || depth >= MOST_INTERPRETERS) {
    return undefined;
  }
  const interpreter = examine(format.interpreter, search, depth + 1);
  if (interpreter.kind === 'found') {
    return undefined;
  }
  const reason = `the interpreter of ${quote(resolved)} cannot be run: ${interpreter.reason}`;
  return { kind: interpreter.kind, reason };
}

function readStart(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const bytes = Buffer.alloc(PROGRAM_START_BYTES);
    return bytes.subarray(0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}

/** The kernel's rule: root needs any execute bit; others the one of the first class they are in. */
export function mayExecute(
  file: { readonly mode: number; readonly uid: number; readonly gid: number },
  user: Pick<ResolvedUser, 'uid' | 'gid' | 'additionalGids'>,
): boolean {
  if (user.uid === 0) {
    return (file.mode & 0o111) !== 0;
  }
  if (user.uid === file.uid) {
    return (file.mode & 0o100) !== 0;
  }
  const isMember = user.gid === file.gid || user.additionalGids.includes(file.gid);
  return (file.mode & (isMember ? 0o010 : 0o001)) !== 0;
}
