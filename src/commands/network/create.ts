import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { networkJson } from '../../cli/network-fields.ts';
import { printLine } from '../../cli/output.ts';
import { parseMetadata } from '../../cli/parse/key-values.ts';

const MANY = { multiple: true, multipleNonGreedy: true } as const;

/** `dray network create`. */
export default class NetworkCreate extends BaseCommand {
  static override summary = 'Make a network of a bridge, and print its name';
  static override description = [
    'Containers in it reach each other by name. Nothing of it is on the host until one joins, and',
    'nothing is left when the last one ends.',
  ].join(' ');
  static override enableJsonFlag = true;
  static override args = {
    name: Args.string({ description: 'name of the network', required: true, ignoreStdin: true }),
  };
  static override flags = {
    subnet: Flags.string({
      description: 'addresses of the network, also once for each version; chosen when left out',
      helpValue: 'BASE/LENGTH',
      ...MANY,
    }),
    gateway: Flags.string({
      description: "the host's address in a subnet; the first by default",
      helpValue: 'ADDRESS',
      ...MANY,
    }),
    internal: Flags.boolean({ description: 'nothing leaves it and nothing comes in' }),
    ipv6: Flags.boolean({ description: 'IPv6, too, although the host has none' }),
    label: Flags.string({ description: 'label the network', helpValue: 'KEY=VALUE', ...MANY }),
    driver: Flags.option({ options: ['bridge'] as const, default: 'bridge' as const })({
      char: 'd',
      description: 'for others, put a CNI configuration into /etc/dray/net.d',
    }),
  };

  async run() {
    const { args, flags } = await this.parse(NetworkCreate);
    const labels = Object.fromEntries(parseMetadata(flags.label ?? [], '--label'));
    const engine = await this.openEngine(flags);
    const { createNetwork } = await import('../../core/operations/network-admin.ts');
    await createNetwork(engine, {
      name: args.name,
      subnets: flags.subnet ?? [],
      gateways: flags.gateway ?? [],
      isInternal: flags.internal,
      wantsIPv6: flags.ipv6,
      labels,
    });
    const { inspectNetworks } = await import('../../core/operations/network-list.ts');
    if (!this.jsonEnabled()) printLine(args.name);
    return inspectNetworks(engine, [args.name]).map(networkJson)[0];
  }
}
