/** How commands are told which containers they are about, and how they tell what came of it. */
import { readFileSync } from 'node:fs';
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { quote } from '../core/errors.ts';
import type { ContainerFailure, ContainerOutcome } from '../core/operations/for-each-container.ts';
import { type ErrorJson, errorJson, reportError } from './error-report.ts';
import { EXIT } from './exit-status.ts';
import { printLine } from './output.ts';
import { usageError } from './parse/usage-error.ts';

const DESCRIPTION = 'name, id, or unique beginning of an id';

/** The argument of a command about one container. */
export const containerArg = Args.string({
  description: DESCRIPTION,
  required: true,
  ignoreStdin: true,
});

/** The arguments of a command about one container or more. */
export const containerArgs = Args.string({
  description: DESCRIPTION,
  required: true,
  multiple: true,
  ignoreStdin: true,
});

/** The same where `--uuid-file` may name the container instead. */
export const optionalContainerArgs = Args.string({
  description: DESCRIPTION,
  multiple: true,
  ignoreStdin: true,
});

/** rkt's `--uuid-file`. */
export const uuidFileFlag = Flags.string({
  description: 'read the id from a file, as --uuid-file-save wrote it',
  helpValue: 'FILE',
});

/**
 * The containers that the arguments and `--uuid-file` name.
 *
 * @throws EngineError `USAGE_INVALID` when there is none, or the file cannot be read
 */
export function containerInputs(
  typed: readonly string[] | undefined,
  uuidFile: string | undefined,
): string[] {
  const inputs = [...(typed ?? []), ...(uuidFile === undefined ? [] : [idIn(uuidFile)])];
  if (inputs.length > 0) return inputs;
  throw usageError('no container was given', { hint: 'Give a name, an id, or --uuid-file FILE.' });
}

const LONGEST_ID = 1024;

function idIn(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').slice(0, LONGEST_ID).trim();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usageError(`cannot read the file ${quote(path)}: ${why}`);
  }
  if (text === '') throw usageError(`there is no container id in the file ${quote(path)}`);
  return text;
}

/** JSON form of what was done to several containers. */
export interface OutcomeJson {
  readonly done: readonly string[];
  readonly failures: readonly ({ readonly input: string } & ErrorJson)[];
}

/** Prints, as docker does, what was typed for each container that it worked with; then the errors. */
export async function printOutcome(
  { done, failures }: ContainerOutcome<unknown>,
  options: { readonly isDebug: boolean; readonly isJson: boolean },
): Promise<{ readonly status: number; readonly json: OutcomeJson }> {
  if (!options.isJson) {
    for (const { input } of done) printLine(input);
    await printFailures(failures, options.isDebug);
  }
  return {
    status: failures.length > 0 ? EXIT.failure : EXIT.success,
    json: {
      done: done.map(({ input }) => input),
      failures: failures.map(({ input, error }) => ({ input, ...errorJson(error) })),
    },
  };
}

/** Prints errors about single containers. */
export async function printFailures(
  failures: readonly ContainerFailure[],
  isDebug: boolean,
): Promise<void> {
  for (const { error } of failures) await reportError(error, { isDebug, isJson: false });
}
