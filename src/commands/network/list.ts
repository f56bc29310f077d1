import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { NETWORK_TITLES, networkJson, networkRow } from '../../cli/network-fields.ts';
import { printLine } from '../../cli/output.ts';
import { tableLines } from '../../cli/table.ts';

/** `dray network list`. */
export default class NetworkList extends BaseCommand {
  static override summary = 'List networks';
  static override aliases = ['network:ls'];
  static override enableJsonFlag = true;
  static override flags = {
    'no-legend': Flags.boolean({ description: 'leave the line of titles out' }),
    quiet: Flags.boolean({ char: 'q', description: 'print names only' }),
  };

  async run() {
    const { flags } = await this.parse(NetworkList);
    const engine = await this.openEngine(flags);
    const { listNetworks } = await import('../../core/operations/network-list.ts');
    const networks = listNetworks(engine);
    if (!this.jsonEnabled()) {
      const titles = flags['no-legend'] ? [] : [NETWORK_TITLES];
      const lines = flags.quiet
        ? networks.map(({ name }) => name)
        : await tableLines([...titles, ...networks.map(networkRow)]);
      for (const line of lines) printLine(line);
    }
    return networks.map(networkJson);
  }
}
