import { BaseCommand } from '../../cli/base-command.ts';

/** `dray network reload`. */
export default class NetworkReload extends BaseCommand {
  static override summary =
    'Make the rules of the packet filter again, after somebody removed them';

  async run() {
    const { flags } = await this.parse(NetworkReload);
    const engine = await this.openEngine(flags);
    const { reloadNetworks } = await import('../../core/operations/network-admin.ts');
    await reloadNetworks(engine);
  }
}
