/** What runc wrote into its log, one JSON object per line, when it could not start a container. */
import { EngineError } from '../errors.ts';

/** What runc says around every reason. */
const PREAMBLES = [
  /^runc (run|create|exec|start) failed: /,
  /^(unable to start|exec failed: unable to start) container process: /,
  /^error during container init: /,
];

/** The directory of a container, as runc sees it: where the store lies is nobody's business. */
const ROOT_OF_CONTAINER = /\/[^\s":]*\/containers\/[0-9a-f]{64}\/rootfs(?=[\s":/]|$)/g;

/** Reasons whose cause is known. */
const HINTS: readonly (readonly [reason: RegExp, hint: string])[] = [
  [
    /mount.*: (not a directory|is a directory)/,
    'Mount a directory on a directory and a file on a file: check the source and its destination.',
  ],
  [
    /mount.*: (no such file or directory|permission denied|operation not permitted)/,
    'Check the sources of -v and --mount, and the kind of file system that they lie on.',
  ],
  [/cgroup/, 'Run "dray info": it tells which control groups this machine has.'],
];

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
  const reason = reasonOf(message);
  const hint = HINTS.find(([pattern]) => pattern.test(reason))?.[1];
  const options = hint === undefined || code !== 'RUNTIME_FAILED' ? {} : { hint };
  return new EngineError(code, `runc could not start the container: ${reason}`, options);
}

function reasonOf(message: string): string {
  const reason = PREAMBLES.reduce((text, preamble) => text.replace(preamble, ''), message);
  return reason.replace(ROOT_OF_CONTAINER, (path, offset: number) =>
    reason.startsWith('/', offset + path.length) ? '' : '/',
  );
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
