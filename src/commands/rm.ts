import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { errorJson, reportError } from '../cli/error-report.ts';
import { EXIT } from '../cli/exit-status.ts';
import { printLine } from '../cli/output.ts';

/** `dray rm`. */
export default class Rm extends BaseCommand {
  static override summary = 'Remove containers that ended, by name, id, or the beginning of an id';
  static override enableJsonFlag = true;
  static override args = {
    container: Args.string({
      description: 'name, id, or unique beginning of an id',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };

  static override flags = {
    volumes: Flags.boolean({ char: 'v', description: 'remove their anonymous volumes, too' }),
  };

  async run() {
    const { args, flags } = await this.parse(Rm);
    const engine = await this.openEngine(flags);
    const { removeContainers } = await import('../core/operations/remove-containers.ts');
    const { removed, failures } = await removeContainers(engine, args.container, {
      volumes: flags.volumes,
    });
    if (failures.length > 0) this.exitStatus = EXIT.failure;
    if (!this.jsonEnabled()) {
      for (const id of removed) printLine(id);
      for (const { error } of failures) {
        await reportError(error, { isDebug: flags.debug, isJson: false });
      }
    }
    return {
      removed,
      failures: failures.map(({ input, error }) => ({ input, ...errorJson(error) })),
    };
  }
}
