import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { containerArg } from '../../cli/container-args.ts';
import { parseJoin } from '../../cli/parse/network.ts';

/** `dray network connect`. */
export default class NetworkConnect extends BaseCommand {
  static override summary = 'Let a running container join a network, until it ends';
  static override args = {
    network: Args.string({ description: 'name of a network', required: true, ignoreStdin: true }),
    container: containerArg,
  };
  static override flags = {
    ip: Flags.string({ description: 'address in the network', helpValue: 'ADDRESS' }),
    ip6: Flags.string({ description: 'IPv6 address in the network', helpValue: 'ADDRESS' }),
    alias: Flags.string({
      description: 'further name in the network',
      helpValue: 'NAME',
      multiple: true,
      multipleNonGreedy: true,
    }),
  };

  async run() {
    const { args, flags } = await this.parse(NetworkConnect);
    const join = parseJoin(args.network, {
      ips: [flags.ip, flags.ip6].flatMap((text) => text ?? []),
      aliases: flags.alias ?? [],
      mac: undefined,
    });
    const engine = await this.openEngine(flags);
    const { connectNetwork } = await import('../../core/operations/network-connect.ts');
    await connectNetwork(engine, args.container, join);
  }
}
