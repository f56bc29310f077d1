/** What runc wrote into its log, one JSON object per line, when it could not start a container. */
import { EngineError } from '../errors.ts';

/** The last error in the log, or undefined when there is none. Lines that are no JSON are skipped. */
export function runcFailure(log: string): EngineError | undefined {
  const message = log.split('\n').flatMap(errorMessage).at(-1);
  if (message === undefined) {
    return undefined;
  }
  // A program on a mount can only be looked up by runc, and only its words tell the outcome.
  const code = /exec: ".*": (executable file not found|stat .*no such file)/.test(message)
    ? 'COMMAND_NOT_FOUND'
    : /exec: ".*": (permission denied|is a directory)/.test(message)
      ? 'COMMAND_NOT_EXECUTABLE'
      : 'RUNTIME_FAILED';
  return new EngineError(code, `runc could not start the container: ${message}`);
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
