import * as Args from '@oclif/core/args';
import { BaseCommand } from '../../cli/base-command.ts';
import { containerArg } from '../../cli/container-args.ts';

/** `dray network disconnect`. */
export default class NetworkDisconnect extends BaseCommand {
  static override summary = 'Take a running container out of a network';
  static override args = {
    network: Args.string({ description: 'name of a network', required: true, ignoreStdin: true }),
    container: containerArg,
  };

  async run() {
    const { args, flags } = await this.parse(NetworkDisconnect);
    const engine = await this.openEngine(flags);
    const { disconnectNetwork } = await import('../../core/operations/network-connect.ts');
    await disconnectNetwork(engine, args.container, args.network);
  }
}
