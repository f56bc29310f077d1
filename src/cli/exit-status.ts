/**
 * Exit statuses. `run` and `enter` pass the status of their process through and keep 125, 126 and
 * 127 for what went wrong before there was one, as docker does.
 */
import { EngineError } from '../core/errors.ts';
import { CancelledError } from './process-signals.ts';

/** Statuses that are not a container's own. */
export const EXIT = {
  success: 0,
  failure: 1,
  usage: 2,
  notRun: 125,
  notExecutable: 126,
  notFound: 127,
} as const;

/** Commands that end with the status of a process in a container. */
const PASSING_ON: readonly string[] = ['run', 'enter', 'exec'];

/** The status for an error of the command `id`. */
export function exitStatusOf(error: unknown, id: string | undefined): number {
  if (error instanceof CancelledError) return error.exitStatus;
  const code = error instanceof EngineError ? error.code : undefined;
  if (PASSING_ON.includes(id ?? '')) return runStatusOf(code);
  return code === 'USAGE_INVALID' ? EXIT.usage : EXIT.failure;
}

function runStatusOf(code: EngineError['code'] | undefined): number {
  if (code === 'COMMAND_NOT_EXECUTABLE') return EXIT.notExecutable;
  if (code === 'COMMAND_NOT_FOUND') return EXIT.notFound;
  return EXIT.notRun;
}
