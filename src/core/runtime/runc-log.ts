/** What runc wrote into its log, one JSON object per line, when it could not start a container. */
import { EngineError, type ErrorCode } from '../errors.ts';

/** Why a container did not start. */
export interface RuncFailure {
  readonly error: EngineError;
  /**
   * Whether the container was complete and only its program could not be executed, as with a script
   * whose interpreter is missing. runc counts such a container as started.
   */
  readonly isExec: boolean;
}

/** Only runc writes this before the program runs; the container cannot reach the log. */
const EXEC_FAILURE =
  /exec(?: user process caused| .*)?: "?(?:exec )?[^"]*?(exec format error|no such file or directory|permission denied)/;

/** The last error in the log, or undefined when there is none. Lines that are no JSON are skipped. */
export function runcFailure(log: string): RuncFailure | undefined {
  const message = log.split('\n').flatMap(errorMessage).at(-1);
  if (message === undefined) {
    return undefined;
  }
  const code = failureCode(message);
  const error = new EngineError(code, `runc could not start the container: ${message}`);
  return { error, isExec: code !== 'RUNTIME_FAILED' };
}

function errorMessage(line: string): string[] {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return [];
  }
  if (typeof entry !== 'object' || entry === null || !('level' in entry) || !('msg' in entry)) {
    return [];
  }
  const isError = entry.level === 'error' || entry.level === 'fatal';
  return isError && typeof entry.msg === 'string' ? [entry.msg] : [];
}

function failureCode(message: string): ErrorCode {
  switch (EXEC_FAILURE.exec(message)?.[1]) {
    case 'no such file or directory':
      return 'COMMAND_NOT_FOUND';
    case 'exec format error':
    case 'permission denied':
      return 'COMMAND_NOT_EXECUTABLE';
    default:
      return message.includes('executable file not found in $PATH')
        ? 'COMMAND_NOT_FOUND'
        : 'RUNTIME_FAILED';
  }
}
