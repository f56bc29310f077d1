/** The command of a container: ENTRYPOINT and CMD of the image against what the user typed. */
import { EngineError, quote } from '../errors.ts';

/** Where a command can come from. */
export interface ProcessArgsInput {
  readonly imageEntrypoint: readonly string[];
  readonly imageCommand: readonly string[];
  /** `--entrypoint`; it also drops the image's CMD, which was written for another program. */
  readonly entrypoint?: readonly string[] | undefined;
  /** What was typed after the image; replaces CMD when there is any. */
  readonly command: readonly string[];
}

/**
 * The argument vector, never empty.
 *
 * @throws EngineError `USAGE_INVALID` when neither image nor user names a command, or when an
 * argument holds a NUL
 */
export function processArgs(input: ProcessArgsInput): string[] {
  const entrypoint = input.entrypoint ?? input.imageEntrypoint;
  const inherited = input.entrypoint === undefined ? input.imageCommand : [];
  const args = [...entrypoint, ...(input.command.length > 0 ? input.command : inherited)];
  const [program] = args;
  if (program === undefined) {
    throw new EngineError('USAGE_INVALID', 'No command was given and the image names none.', {
      hint: 'Name a command after the image, such as `/bin/sh`.',
    });
  }
  if (program === '') {
    throw new EngineError('COMMAND_NOT_FOUND', 'The name of the command to run is empty.');
  }
  const broken = args.find((argument) => argument.includes('\0'));
  if (broken !== undefined) {
    throw new EngineError('USAGE_INVALID', `The argument ${quote(broken)} holds a NUL character.`);
  }
  return args;
}
