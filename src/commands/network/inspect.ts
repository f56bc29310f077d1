import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { networkInspection } from '../../cli/network-fields.ts';
import { printJson } from '../../cli/output.ts';

/** `dray network inspect`. */
export default class NetworkInspect extends BaseCommand {
  static override summary = 'Print what networks are and who is in them, as JSON';
  static override enableJsonFlag = true;
  static override args = {
    network: Args.string({
      description: 'name of a network',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(NetworkInspect);
    const engine = await this.openEngine(flags);
    const { inspectNetworks } = await import('../../core/operations/network-list.ts');
    const inspections = inspectNetworks(engine, args.network).map(networkInspection);
    if (!this.jsonEnabled()) printJson(inspections);
    return inspections;
  }
}
