import * as Args from '@oclif/core/args';
import { BaseCommand } from '../cli/base-command.ts';
import { containerArg } from '../cli/container-args.ts';

/** `dray rename`. */
export default class Rename extends BaseCommand {
  static override summary = 'Give a container another name';
  static override args = {
    container: containerArg,
    name: Args.string({ description: 'the new name', required: true, ignoreStdin: true }),
  };

  async run() {
    const { args, flags } = await this.parse(Rename);
    const engine = await this.openEngine(flags);
    const { renameContainer } = await import('../core/operations/rename-container.ts');
    await renameContainer(engine, args.container, args.name);
  }
}
