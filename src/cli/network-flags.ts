/** The flags of `run` and `create` about networks. */
import * as Flags from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import type { RunOptions } from '../core/runtime/run-options.ts';
import type { HostEnvironment } from './parse/key-values.ts';
import { parseAddHost, parseName, parseNameServers, parseNetworks } from './parse/network.ts';
import { parseExposeFlag, parsePublishFlag } from './parse/publish.ts';
import { usageError } from './parse/usage-error.ts';

const MANY = { multiple: true, multipleNonGreedy: true } as const;

/** oclif's flags. */
export const networkFlags = {
  network: Flags.string({
    aliases: ['net'],
    description:
      'network to join: default, none, host, container:NAME, ns:PATH, or one of "network list"',
    helpValue: 'NAME[:ip=ADDRESS,mac=…,alias=…]',
    ...MANY,
  }),
  ip: Flags.string({ description: 'address in the network', helpValue: 'ADDRESS' }),
  ip6: Flags.string({ description: 'IPv6 address in the network', helpValue: 'ADDRESS' }),
  'mac-address': Flags.string({ description: 'address of the interface', helpValue: 'MAC' }),
  'network-alias': Flags.string({
    aliases: ['net-alias'],
    description: 'further name in a network that a user made',
    helpValue: 'NAME',
    ...MANY,
  }),
  publish: Flags.string({
    char: 'p',
    description: 'let a port of the host lead into the container',
    helpValue: '[[IP:]HOST_PORT:]PORT[/PROTOCOL]',
    ...MANY,
  }),
  'publish-all': Flags.boolean({
    char: 'P',
    description: 'publish every exposed port on any port of the host',
    default: false,
  }),
  expose: Flags.string({
    description: 'expose a port, for --publish-all',
    helpValue: 'PORT[/PROTOCOL]',
    ...MANY,
  }),
  dns: Flags.string({ description: 'name server', helpValue: 'ADDRESS', ...MANY }),
  'dns-search': Flags.string({
    description: 'domain to search names in; "." for none',
    helpValue: 'DOMAIN',
    ...MANY,
  }),
  'dns-option': Flags.string({
    aliases: ['dns-opt'],
    description: 'option of resolv.conf(5)',
    helpValue: 'OPTION',
    ...MANY,
  }),
  'add-host': Flags.string({
    description: 'line of /etc/hosts; host-gateway stands for the host',
    helpValue: 'NAME:ADDRESS',
    ...MANY,
  }),
  domainname: Flags.string({ description: 'NIS domain name', helpValue: 'NAME' }),
};

/** The values that oclif parses for `networkFlags`. */
export type NetworkFlagValues = InferredFlags<typeof networkFlags>;

/**
 * Without `--network`, `DRAY_NETWORK` names the network.
 *
 * @throws EngineError `USAGE_INVALID` naming the flag and the value
 */
export function parseNetworkFlags(
  flags: NetworkFlagValues,
  { env, cwd }: { readonly env: HostEnvironment; readonly cwd: string },
): Pick<
  RunOptions,
  'network' | 'publish' | 'publishesAll' | 'exposed' | 'nameServers' | 'extraHosts' | 'domainname'
> {
  const network = parseNetworks(
    flags.network ?? (env.DRAY_NETWORK ? [env.DRAY_NETWORK] : []),
    {
      ips: [flags.ip, flags.ip6].flatMap((text) => text ?? []),
      mac: flags['mac-address'],
      aliases: flags['network-alias'] ?? [],
    },
    cwd,
  );
  const isShared = typeof network === 'object' && network.kind !== 'own';
  if (isShared) refuseForShared(flags);
  const nameServers = parseNameServers(flags.dns, flags['dns-search'], flags['dns-option']);
  return {
    network,
    ...(flags.publish === undefined ? {} : { publish: flags.publish.flatMap(parsePublishFlag) }),
    ...(flags['publish-all'] ? { publishesAll: true } : {}),
    ...(flags.expose === undefined ? {} : { exposed: flags.expose.flatMap(parseExposeFlag) }),
    ...(nameServers === undefined ? {} : { nameServers }),
    ...(flags['add-host'] === undefined ? {} : { extraHosts: flags['add-host'].map(parseAddHost) }),
    ...(flags.domainname === undefined
      ? {}
      : { domainname: parseName(flags.domainname, '--domainname') }),
  };
}

/** The network is another's, and so are its ports and its files. */
function refuseForShared(flags: NetworkFlagValues): void {
  const names = ['publish', 'dns', 'dns-search', 'dns-option', 'add-host'] as const;
  const given = names.find((name) => flags[name] !== undefined);
  const flag = given ?? (flags['publish-all'] ? 'publish-all' : undefined);
  if (flag === undefined) return;
  throw usageError(`--${flag} cannot go with the network of another container or namespace.`, {
    hint: 'Give it to the container that has the network.',
  });
}
