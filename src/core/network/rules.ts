/**
 * What the packet filter has to say about dray's own networks: always all of it, made anew from what
 * lives. So no rule can be left over, and a filter that somebody has emptied is made whole.
 *
 * | packet | rule |
 * |---|---|
 * | from a container to the outside | allowed, and gets the host's address |
 * | from the outside, or another network | only answers, and what is published |
 * | within a network | allowed |
 * | in or out of an internal network | dropped |
 * | to a published port of the host | goes to the container |
 * | from a container to the host's loopback | dropped |
 */
import type { IpVersion } from './addresses.ts';
import { parseSubnet } from './addresses.ts';
import type { NetworkRecord } from './network-record.ts';

/** A port of the host that leads into a container. */
export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** The host's address; absent: all. */
  readonly hostIp?: string;
  readonly hostPort: number;
  readonly containerPort: number;
}

/** A published port and where it leads. */
export interface Forwarding extends PublishedPort {
  /** Address of the container. */
  readonly containerIp: string;
  readonly version: IpVersion;
  readonly bridge: string;
}

/** Everything that the filter must know. */
export interface RuleSet {
  readonly networks: readonly NetworkRules[];
  readonly forwardings: readonly Forwarding[];
}

/** One network that has containers. */
export interface NetworkRules {
  readonly bridge: string;
  readonly isInternal: boolean;
  readonly subnet4?: string;
  readonly subnet6?: string;
}

/** The rules of one network. */
export function networkRules({ bridge, isInternal, subnets }: NetworkRecord): NetworkRules {
  const ofVersion = (version: IpVersion): string | undefined =>
    subnets.map(({ subnet }) => subnet).find((text) => parseSubnet(text)?.version === version);
  const [subnet4, subnet6] = [ofVersion(4), ofVersion(6)];
  return {
    bridge,
    isInternal,
    ...(subnet4 === undefined ? {} : { subnet4 }),
    ...(subnet6 === undefined ? {} : { subnet6 }),
  };
}

const CHAINS = {
  filter: [
    ['DRAY-INPUT', 'INPUT', ''],
    ['DRAY-FORWARD', 'FORWARD', ''],
  ],
  nat: [
    ['DRAY-PUBLISH', 'PREROUTING', '-m addrtype --dst-type LOCAL'],
    ['DRAY-PUBLISH', 'OUTPUT', '-m addrtype --dst-type LOCAL'],
    ['DRAY-LEAVE', 'POSTROUTING', ''],
  ],
} as const;

type Table = keyof typeof CHAINS;

/** What `iptables-restore --noflush` reads. */
export interface RestoreTexts {
  /** When our chains are there already. */
  readonly again: string;
  /** When they are not. */
  readonly first: string;
}

/** The rules of one IP version for iptables; without any network, those that remove our chains. */
export function iptablesTexts(
  { networks, forwardings }: RuleSet,
  version: IpVersion,
): RestoreTexts {
  const mine = networks.filter((network) => subnetOfVersion(network, version) !== undefined);
  const rules: Readonly<Record<Table, readonly string[]>> = {
    filter: [...(version === 4 ? mine.map(guardRule) : []), ...forwardRules(mine)],
    nat: [
      ...forwardings.filter((each) => each.version === version).map(publishRule),
      ...mine.flatMap((network) => leaveRules(network, version)),
    ],
  };
  const tables = Object.keys(CHAINS) as Table[];
  const text = (isAgain: boolean): string =>
    tables
      .map((table) => tableText(table, rules[table], { isAgain, isEmpty: mine.length === 0 }))
      .join('');
  return { again: text(true), first: mine.length === 0 ? '' : text(false) };
}

function tableText(
  table: Table,
  rules: readonly string[],
  { isAgain, isEmpty }: { readonly isAgain: boolean; readonly isEmpty: boolean },
): string {
  const chains = [...new Set(CHAINS[table].map(([chain]) => chain))];
  const jumps = CHAINS[table].map(([chain, from, match]) =>
    [from, match, '-j', chain].filter(Boolean).join(' '),
  );
  const lines = [
    `*${table}`,
    // Naming a chain makes it, or empties it.
    ...chains.map((chain) => `:${chain} - [0:0]`),
    ...(isAgain ? jumps.map((jump) => `-D ${jump}`) : []),
    ...(isEmpty
      ? chains.map((chain) => `-X ${chain}`)
      : [...rules, ...jumps.map((jump) => `-I ${jump}`)]),
    'COMMIT',
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * That the host's loopback can reach published ports means that packets to 127.0.0.1 are taken from
 * the bridge. Only answers may be (CVE-2020-8558).
 */
function guardRule({ bridge }: NetworkRules): string {
  return `-A DRAY-INPUT -i ${bridge} -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP`;
}

function forwardRules(networks: readonly NetworkRules[]): string[] {
  const towards = networks.flatMap(({ bridge, isInternal }) => [
    `-A DRAY-FORWARD -i ${bridge} -o ${bridge} -j ACCEPT`,
    ...(isInternal
      ? [`-A DRAY-FORWARD -o ${bridge} -j DROP`, `-A DRAY-FORWARD -i ${bridge} -j DROP`]
      : [
          `-A DRAY-FORWARD -o ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
          `-A DRAY-FORWARD -o ${bridge} -m conntrack --ctstate DNAT -j ACCEPT`,
          `-A DRAY-FORWARD -o ${bridge} -j DROP`,
        ]),
  ]);
  const away = networks
    .filter(({ isInternal }) => !isInternal)
    .map(({ bridge }) => `-A DRAY-FORWARD -i ${bridge} -j ACCEPT`);
  return [...towards, ...away];
}

function publishRule({
  protocol,
  hostIp,
  hostPort,
  containerPort,
  containerIp,
  version,
}: Forwarding): string {
  const host = version === 6 ? `[${containerIp}]` : containerIp;
  return [
    `-A DRAY-PUBLISH -p ${protocol}`,
    ...(hostIp === undefined ? [] : [`-d ${hostIp}`]),
    `-m ${protocol} --dport ${hostPort} -j DNAT --to-destination ${host}:${containerPort}`,
  ].join(' ');
}

/**
 * What leaves gets the host's address; so does what comes from the network itself or from the host's
 * loopback by a published port, as the answer must come back the same way.
 */
function leaveRules(network: NetworkRules, version: IpVersion): string[] {
  const { bridge, isInternal } = network;
  const subnet = subnetOfVersion(network, version) ?? '';
  if (isInternal) return [];
  const published = `-o ${bridge} -m conntrack --ctstate DNAT -j MASQUERADE`;
  return [
    `-A DRAY-LEAVE -s ${subnet} ! -o ${bridge} -j MASQUERADE`,
    `-A DRAY-LEAVE -s ${subnet} ${published}`,
    ...(version === 4 ? [`-A DRAY-LEAVE -s 127.0.0.0/8 ${published}`] : []),
  ];
}

function subnetOfVersion(
  { subnet4, subnet6 }: NetworkRules,
  version: IpVersion,
): string | undefined {
  return version === 4 ? subnet4 : subnet6;
}

const TABLE = 'inet dray';

/** The same for `nft -f`, as one table of our own that is replaced as a whole. */
export function nftText({ networks, forwardings }: RuleSet): string {
  // Named first, so that deleting it never fails.
  const away = `table ${TABLE}\ndelete table ${TABLE}\n`;
  if (networks.length === 0) return away;
  const publish = forwardings.map(nftPublish);
  return `${away}table ${TABLE} {
  chain publish {
${lines(publish)}  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish
  }
  chain output {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump publish
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
${lines(networks.flatMap(nftLeave))}  }
  chain input {
    type filter hook input priority filter; policy accept;
${lines(networks.map(nftGuard))}  }
  chain forward {
    type filter hook forward priority filter; policy accept;
${lines(nftForward(networks))}  }
}
`;
}

function lines(rules: readonly string[]): string {
  return rules.map((rule) => `    ${rule}\n`).join('');
}

function nftPublish({
  protocol,
  hostIp,
  hostPort,
  containerPort,
  containerIp,
  version,
}: Forwarding): string {
  const family = version === 6 ? 'ip6' : 'ip';
  const target = version === 6 ? `[${containerIp}]` : containerIp;
  const to = hostIp === undefined ? `meta nfproto ipv${version}` : `${family} daddr ${hostIp}`;
  return `${to} ${protocol} dport ${hostPort} dnat ${family} to ${target}:${containerPort}`;
}

function nftLeave({ bridge, isInternal, subnet4, subnet6 }: NetworkRules): string[] {
  if (isInternal) return [];
  const of = (family: string, subnet: string | undefined): string[] =>
    subnet === undefined
      ? []
      : [
          `${family} saddr ${subnet} oifname != "${bridge}" masquerade`,
          `${family} saddr ${subnet} oifname "${bridge}" ct status dnat masquerade`,
        ];
  const loopback =
    subnet4 === undefined
      ? []
      : [`ip saddr 127.0.0.0/8 oifname "${bridge}" ct status dnat masquerade`];
  return [...of('ip', subnet4), ...of('ip6', subnet6), ...loopback];
}

function nftGuard({ bridge }: NetworkRules): string {
  return `iifname "${bridge}" ip daddr 127.0.0.0/8 ct state != { related, established } drop`;
}

function nftForward(networks: readonly NetworkRules[]): string[] {
  const towards = networks.flatMap(({ bridge, isInternal }) => [
    `iifname "${bridge}" oifname "${bridge}" accept`,
    ...(isInternal
      ? [`oifname "${bridge}" drop`, `iifname "${bridge}" drop`]
      : [
          `oifname "${bridge}" ct state related,established accept`,
          `oifname "${bridge}" ct status dnat accept`,
          `oifname "${bridge}" drop`,
        ]),
  ]);
  return towards;
}
