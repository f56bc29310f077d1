/** Writing a stream of bytes to a file that the user named, or to standard output. */
import { closeSync, lstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { EngineError, hasErrno, quote } from '../core/errors.ts';
import { writeStdout } from './output.ts';

const OWNER_ONLY = 0o600;

/**
 * Writes `source` to `file`; `-` is standard output. A regular file appears whole or not at all; a
 * device or a pipe is written to. A file that is made here is its owner's alone, since it may hold
 * the image's `/etc/shadow`. Stops quietly when the reader of standard output goes away.
 *
 * @throws EngineError `USAGE_INVALID` for a terminal or a name that no file can have,
 *   `HOST_CALL_FAILED` when it cannot be written;
 * and what `source` throws
 */
export async function writeStream(source: AsyncIterable<Uint8Array>, file: string): Promise<void> {
  if (file === '-') return writeToStdout(source);
  if (file === '') {
    throw new EngineError('USAGE_INVALID', 'the name of the file to write is empty', {
      hint: 'Name a file, or - for standard output.',
    });
  }
  const isReplaced = isRegularOrMissing(file);
  const target = isReplaced ? `${file}.${process.pid}.partial` : file;
  try {
    await writeToFile(source, target, isReplaced ? 'wx' : 'w');
    if (isReplaced) renameSync(target, file);
  } catch (error) {
    if (isReplaced) rmSync(target, { force: true });
    throw hasSystemCode(error) ? cannotWrite(file, error) : error;
  }
}

async function writeToStdout(source: AsyncIterable<Uint8Array>): Promise<void> {
  const { isTerminal } = await import('./terminal.ts');
  if (isTerminal('stdout')) {
    throw new EngineError('USAGE_INVALID', 'a tar is not written to a terminal', {
      hint: 'Name a file, or send standard output to one.',
    });
  }
  for await (const bytes of source) if (!writeStdout(bytes)) return;
}

async function writeToFile(
  source: AsyncIterable<Uint8Array>,
  path: string,
  flags: 'w' | 'wx',
): Promise<void> {
  const descriptor = openSync(path, flags, OWNER_ONLY);
  try {
    for await (const bytes of source) {
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
    }
  } finally {
    closeSync(descriptor);
  }
}

function isRegularOrMissing(path: string): boolean {
  try {
    return lstatSync(path).isFile();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return true;
    throw cannotWrite(path, error);
  }
}

function hasSystemCode(error: unknown): boolean {
  return error instanceof Error && !(error instanceof EngineError) && 'syscall' in error;
}

/** What a user can mend by naming another file. */
const WRONG_NAMES: readonly (readonly [errno: string, reason: string])[] = [
  ['ENOENT', 'its directory does not exist'],
  ['ENOTDIR', 'what it names as a directory is none'],
  ['EISDIR', 'it is a directory'],
];

function cannotWrite(file: string, cause: unknown): EngineError {
  const wrong = WRONG_NAMES.find(([errno]) => hasErrno(cause, errno));
  if (wrong !== undefined) {
    return new EngineError('USAGE_INVALID', `cannot write ${quote(file)}: ${wrong[1]}`, {
      hint: 'Name a file in a directory that exists, or - for standard output.',
      cause,
    });
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  // Node names the system call and its path behind the reason, and that may be a temporary one.
  const reason = message.replace(/, [a-z]+(?: '.*)?$/s, '');
  return new EngineError('HOST_CALL_FAILED', `cannot write ${quote(file)}: ${reason}`, { cause });
}
