/**
 * Whether a program can be run in a container that is running, decided from its root file system.
 *
 * The container may change that root at any moment, so the kernel resolves every path inside it, and
 * what was opened is what is looked at. The answer is about that moment; runc has the last word.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { EngineError, quote } from '../errors.ts';
import { isErrno, O_PATH, openInRoot } from '../host/libc.ts';
import type { RootHandle } from '../host/resolve-in-root.ts';
import { mayExecute } from './executable.ts';
import { isNativeMachine, PROGRAM_START_BYTES, programFormat } from './program-format.ts';
import type { ResolvedUser } from './user.ts';

/** Where and for whom a program is looked up. */
export interface ExecSearch {
  readonly root: RootHandle;
  /** `PATH` of the process. */
  readonly searchPath: string;
  /** Working directory, absolute. */
  readonly directory: string;
  readonly user: Pick<ResolvedUser, 'uid' | 'gid' | 'additionalGids'>;
  /** Architecture of this machine, such as `amd64`. */
  readonly architecture: string;
  readonly hasForeignFormats: boolean;
}

type Verdict =
  | { readonly kind: 'found' }
  | {
      readonly kind: 'COMMAND_NOT_FOUND' | 'COMMAND_NOT_EXECUTABLE';
      readonly reason: string;
    };

const FOUND: Verdict = { kind: 'found' };
const MOST_INTERPRETERS = 5;

/**
 * Refuses a program that the container does not have or cannot run. A name with a slash is a path,
 * any other name is searched in `PATH`, where what cannot be run is passed over.
 *
 * @throws EngineError `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`
 */
export function assertExecProgram(program: string, search: ExecSearch): void {
  const verdict = find(program, search);
  if (verdict.kind === 'found') return;
  throw new EngineError(
    verdict.kind,
    `the container cannot run ${quote(program)}: ${verdict.reason}`,
  );
}

function find(program: string, search: ExecSearch): Verdict {
  if (program.includes('/')) return examine(program, search, 0);
  for (const directory of search.searchPath.split(':')) {
    const verdict = examine(`${directory === '' ? '.' : directory}/${program}`, search, 0);
    if (verdict.kind === 'found') return verdict;
  }
  const reason = `there is no such program in its PATH (${quote(search.searchPath)})`;
  return { kind: 'COMMAND_NOT_FOUND', reason };
}

function examine(path: string, search: ExecSearch, depth: number): Verdict {
  const absolute = path.startsWith('/') ? path : `${search.directory}/${path}`;
  let fd: number;
  try {
    fd = openInRoot(search.root.fd, absolute, O_PATH);
  } catch (error) {
    // A link of /proc, such as /proc/self/exe: what it means depends on who follows it.
    if (isErrno(error, 'ELOOP')) return FOUND;
    if (!['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].some((name) => isErrno(error, name))) throw error;
    return { kind: 'COMMAND_NOT_FOUND', reason: `it has no file ${quote(path)}` };
  }
  try {
    return examineOpen(fd, path, { search, depth });
  } finally {
    closeSync(fd);
  }
}

function examineOpen(
  fd: number,
  path: string,
  { search, depth }: { readonly search: ExecSearch; readonly depth: number },
): Verdict {
  const stats = fstatSync(fd);
  const refuse = (reason: string): Verdict => ({ kind: 'COMMAND_NOT_EXECUTABLE', reason });
  if (!stats.isFile()) {
    return refuse(`${quote(path)} is ${stats.isDirectory() ? 'a directory' : 'no regular file'}`);
  }
  if (!mayExecute(stats, search.user)) {
    return refuse(`user ${search.user.uid} has no permission to execute ${quote(path)}`);
  }
  const format = programFormat(readStart(fd));
  const isForeign =
    format.kind === 'unknown' ||
    (format.kind === 'elf' && !isNativeMachine(format.machine, search.architecture));
  if (isForeign && !search.hasForeignFormats) {
    const found = format.kind === 'elf' ? 'a program for another processor' : 'not a program';
    return refuse(`${quote(path)} is ${found} (exec format error)`);
  }
  if (isForeign || format.interpreter === undefined || depth >= MOST_INTERPRETERS) return FOUND;
  const verdict = examine(format.interpreter, search, depth + 1);
  if (verdict.kind === 'found') return verdict;
  return {
    ...verdict,
    reason: `the interpreter of ${quote(path)} cannot be run: ${verdict.reason}`,
  };
}

/** The descriptor pins the file, so this reads the very file that was looked at. */
function readStart(fd: number): Buffer {
  const readable = openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const bytes = Buffer.alloc(PROGRAM_START_BYTES);
    return bytes.subarray(0, readSync(readable, bytes));
  } finally {
    closeSync(readable);
  }
}
