import * as Args from '@oclif/core/args';
import { BaseCommand } from '../cli/base-command.ts';
import { enterFlags, parseEnterFlags } from '../cli/enter-flags.ts';
import { callerEnvironment, workingDirectory } from '../cli/settings.ts';
import { withUsableTerminal } from '../cli/tty-flag.ts';

const DEFAULT_COMMAND = ['/bin/sh'];

/** `dray enter`. */
export default class Enter extends BaseCommand {
  static override summary = 'Run a command in a running container and end with its exit status';
  static override description = [
    'Without COMMAND it is /bin/sh. Flags stand before CONTAINER; what follows it reaches the process',
    'untouched. "dray exec" is the same, but wants a COMMAND.',
  ].join(' ');
  static override usage = 'enter [FLAGS] CONTAINER [COMMAND [ARG...]]';
  static override examples = ['dray enter -it web', 'dray enter -i db psql < dump.sql'];
  static override stopsAtPositional = true;
  static override args = {
    container: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      ignoreStdin: true,
    }),
    command: Args.string({
      description: 'command and arguments',
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = enterFlags;

  async run() {
    const { args, flags } = await this.parse(Enter);
    const command = args.command ?? DEFAULT_COMMAND;
    const context = { env: callerEnvironment(), cwd: workingDirectory() };
    const options = await withUsableTerminal(parseEnterFlags(flags, command, context));
    const engine = await this.openEngine(flags);
    const { enterContainer } = await import('../core/operations/enter-container.ts');
    const { status } = await enterContainer(engine, args.container, {
      ...options,
      signal: this.signal,
      signals: this.signals,
    });
    this.exitStatus = status;
  }
}
