import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { requireYes } from '../../cli/confirm.ts';
import { printLine } from '../../cli/output.ts';

/** `dray network prune`. */
export default class NetworkPrune extends BaseCommand {
  static override summary = 'Remove the networks that no container is in';
  static override enableJsonFlag = true;
  static override flags = {
    force: Flags.boolean({ char: 'f', description: 'do not ask' }),
  };

  async run() {
    const { flags } = await this.parse(NetworkPrune);
    requireYes('This will remove all networks that no container is in.', flags);
    const engine = await this.openEngine(flags);
    const { pruneNetworks } = await import('../../core/operations/network-admin.ts');
    const removed = await pruneNetworks(engine);
    if (!this.jsonEnabled() && removed.length > 0) {
      printLine('Deleted Networks:');
      for (const name of removed) printLine(name);
    }
    return { removed };
  }
}
