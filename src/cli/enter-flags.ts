/** The flags of `dray enter` and `dray exec`, with docker's names and meaning. */
import { resolve } from 'node:path';
import * as Flags from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import type { EnterOptions } from '../core/operations/enter-container.ts';
import { parseEnvironmentFlag, readEnvironmentFile } from './parse/key-values.ts';
import type { RunFlagsContext } from './run-flags.ts';

/** oclif's flags of both commands. */
export const enterFlags = {
  interactive: Flags.boolean({ char: 'i', description: 'give the process our stdin' }),
  tty: Flags.boolean({ char: 't', description: 'give the process a terminal' }),
  detach: Flags.boolean({ char: 'd', description: 'return when the process runs' }),
  env: Flags.string({
    char: 'e',
    description: 'set an environment variable; NAME alone passes our own on',
    helpValue: 'NAME=VALUE',
    multiple: true,
    multipleNonGreedy: true,
  }),
  'env-file': Flags.string({
    description: 'read environment variables from a file',
    helpValue: 'FILE',
    multiple: true,
    multipleNonGreedy: true,
  }),
  user: Flags.string({ char: 'u', description: 'user to run as', helpValue: 'USER[:GROUP]' }),
  workdir: Flags.string({ char: 'w', description: 'directory to start in', helpValue: 'PATH' }),
  privileged: Flags.boolean({ description: 'give it all capabilities' }),
};

/**
 * Turns parsed flags and all that was typed after the container into the engine's options; files of
 * `--env-file` are read here. A process that nobody waits for has no terminal.
 *
 * @throws EngineError `USAGE_INVALID` naming the flag and the value
 */
export function parseEnterFlags(
  flags: InferredFlags<typeof enterFlags>,
  command: readonly string[],
  { env, cwd }: RunFlagsContext,
): EnterOptions {
  return {
    command,
    environment: [
      ...(flags['env-file'] ?? []).flatMap((file) => readEnvironmentFile(resolve(cwd, file), env)),
      ...(flags.env ?? []).map((text) => parseEnvironmentFlag(text, env)),
    ],
    ...(flags.user ? { user: flags.user } : {}),
    ...(flags.workdir ? { workingDirectory: flags.workdir } : {}),
    tty: flags.tty && !flags.detach,
    privileged: flags.privileged,
    interactive: flags.interactive,
    detach: flags.detach,
  };
}
