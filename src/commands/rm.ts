import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import {
  containerInputs,
  optionalContainerArgs,
  printFailures,
  uuidFileFlag,
} from '../cli/container-args.ts';
import { errorJson } from '../cli/error-report.ts';
import { EXIT } from '../cli/exit-status.ts';
import { printLine } from '../cli/output.ts';

/** `dray rm`. */
export default class Rm extends BaseCommand {
  static override summary = 'Remove containers that ended, by name, id, or the beginning of an id';
  static override enableJsonFlag = true;
  static override args = { container: optionalContainerArgs };
  static override flags = {
    force: Flags.boolean({ char: 'f', description: 'kill those that run', default: false }),
    volumes: Flags.boolean({ char: 'v', description: 'remove their anonymous volumes, too' }),
    'uuid-file': uuidFileFlag,
  };

  async run() {
    const { args, flags } = await this.parse(Rm);
    const inputs = containerInputs(args.container, flags['uuid-file']);
    const engine = await this.openEngine(flags);
    const { removeContainers } = await import('../core/operations/remove-containers.ts');
    const { removed, failures } = await removeContainers(engine, inputs, {
      volumes: flags.volumes,
      isForced: flags.force,
    });
    // With --force what is not there is as it should be, as docker has it.
    const isFailed = failures.some(
      ({ error }) => !flags.force || error.code !== 'CONTAINER_NOT_FOUND',
    );
    if (isFailed) this.exitStatus = EXIT.failure;
    if (!this.jsonEnabled()) {
      for (const input of removed) printLine(input);
      await printFailures(failures, flags.debug);
    }
    return {
      removed,
      failures: failures.map(({ input, error }) => ({ input, ...errorJson(error) })),
    };
  }
}
