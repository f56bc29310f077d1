/** Asking before something is lost. */
import { readSync } from 'node:fs';
import { isatty } from 'node:tty';
import { EngineError, hasErrno } from '../core/errors.ts';
import { writeStderr } from './output.ts';

const STDIN = 0;
const LONGEST_ANSWER = 1024;

/**
 * Asks on standard error and waits for a line on standard input; `force` takes a yes for granted.
 *
 * @throws EngineError `USAGE_INVALID` when nobody can be asked, `CANCELLED` when the answer is not yes
 */
export function requireYes(warning: string, { force }: { readonly force: boolean }): void {
  if (force) return;
  if (!isatty(STDIN)) {
    throw new EngineError(
      'USAGE_INVALID',
      `${warning} Nobody can be asked: stdin is no terminal.`,
      {
        hint: 'Give --force to do it without a question.',
      },
    );
  }
  writeStderr(`${warning}\nAre you sure you want to continue? [y/N] `);
  if (/^y(es)?$/i.test(readAnswer().trim())) return;
  throw new EngineError('CANCELLED', 'nothing was removed');
}

function readAnswer(): string {
  const bytes = Buffer.alloc(LONGEST_ANSWER);
  for (;;) {
    try {
      return bytes.toString('utf8', 0, readSync(STDIN, bytes));
    } catch (error) {
      if (!hasErrno(error, 'EAGAIN')) throw error;
      // Somebody has made the terminal non-blocking.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}
