import * as Args from '@oclif/core/args';
import { BaseCommand } from '../cli/base-command.ts';
import { showHelp } from '../cli/help.ts';

/** `dray help`. */
export default class HelpCommand extends BaseCommand {
  static override summary = 'Show help for a command';
  static override args = {
    command: Args.string({
      description: 'command, in one or two words',
      multiple: true,
      ignoreStdin: true,
    }),
  };

  async run() {
    const { args } = await this.parse(HelpCommand);
    await showHelp(this.config, args.command ?? []);
  }
}
