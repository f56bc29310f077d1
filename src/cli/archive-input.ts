/** An archive that a command reads: a file that the user named, or standard input. */
import { fstatSync } from 'node:fs';
import { EngineError } from '../core/errors.ts';
import type { ArchiveInput } from '../core/operations/spool-input.ts';

const STDIN = 0;
const LABEL = 'standard input';

/**
 * The input that `file` names; `-` or nothing is standard input. A regular file that standard input
 * comes from is read by position, without being copied.
 *
 * @throws EngineError `USAGE_INVALID` for a terminal
 */
export async function archiveInput(file: string | undefined): Promise<ArchiveInput> {
  if (file !== undefined && file !== '-') return { path: file };
  const { isTerminal } = await import('./terminal.ts');
  if (isTerminal('stdin')) {
    throw new EngineError('USAGE_INVALID', 'standard input is a terminal; expected an archive', {
      hint: 'Name a file, or send one to standard input.',
    });
  }
  if (fstatSync(STDIN).isFile()) return { path: `/proc/self/fd/${STDIN}`, label: LABEL };
  return { stream: process.stdin, label: LABEL };
}
