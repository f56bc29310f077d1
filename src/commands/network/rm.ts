import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { reportError } from '../../cli/error-report.ts';
import { EXIT } from '../../cli/exit-status.ts';
import { networkRemovalJson } from '../../cli/network-fields.ts';
import { printLine } from '../../cli/output.ts';

/** `dray network rm`. */
export default class NetworkRm extends BaseCommand {
  static override summary = 'Remove networks, unless a container is in them';
  static override aliases = ['network:remove'];
  static override enableJsonFlag = true;
  static override args = {
    network: Args.string({
      description: 'name of a network',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    force: Flags.boolean({ char: 'f', description: 'do not mind names that no network has' }),
  };

  async run() {
    const { args, flags } = await this.parse(NetworkRm);
    const engine = await this.openEngine(flags);
    const { removeNetworks } = await import('../../core/operations/network-admin.ts');
    const removal = await removeNetworks(engine, args.network, { force: flags.force });
    if (removal.failures.length > 0) this.exitStatus = EXIT.failure;
    if (!this.jsonEnabled()) {
      for (const name of removal.removed) printLine(name);
      for (const { error } of removal.failures) {
        await reportError(error, { isDebug: flags.debug, isJson: false });
      }
    }
    return networkRemovalJson(removal);
  }
}
