/** IP addresses and subnets, of both versions. Pure. */
import { isIPv4, isIPv6 } from 'node:net';

/** The version of the protocol. */
export type IpVersion = 4 | 6;

/** An address as a number. */
export interface IpAddress {
  readonly version: IpVersion;
  readonly value: bigint;
}

/** A subnet; the bits of `base` behind the prefix are 0. */
export interface Subnet {
  readonly version: IpVersion;
  readonly base: bigint;
  readonly prefix: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** Parses an address; undefined when it is none. A zone (`%eth0`) is none. */
export function parseAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) {
    const value = text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
    return { version: 4, value };
  }
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return { version: 6, value: parseGroups(text) };
}

function parseGroups(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const groups = (part: string): bigint[] =>
    part === '' ? [] : part.split(':').map((group) => BigInt(`0x${group}`));
  const ofText = (part: string): bigint[] => groups(part.replace(/:$/, ''));
  const tail = dotted === null ? [] : lastGroups(dotted[2] ?? '');
  const [head = '', rest] = (dotted === null ? text : (dotted[1] ?? '')).split('::');
  const before = ofText(head);
  const after = [...ofText(rest ?? ''), ...tail];
  const zeros = Array.from({ length: rest === undefined ? 0 : 8 - before.length - after.length });
  const all =
    rest === undefined ? [...before, ...tail] : [...before, ...zeros.map(() => 0n), ...after];
  return all.reduce((sum, group) => (sum << 16n) | group, 0n);
}

function lastGroups(dotted: string): bigint[] {
  const value = parseAddress(dotted)?.value ?? 0n;
  return [value >> 16n, value & 0xffffn];
}

/** An address as text; IPv6 without its longest run of zeros (RFC 5952). */
export function formatAddress({ version, value }: IpAddress): string {
  if (version === 4) {
    return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
  }
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  ).join(':');
  const runs = [...groups.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([run]) => run);
  const longest = runs.sort((a, b) => b.length - a.length)[0];
  if (longest === undefined) return groups;
  return groups
    .replace(longest, ':')
    .replace(/^:(?!:)|(?<!:):$/, '::')
    .replace(/^$/, '::');
}

/** The bytes of an address, in the order of the network. */
export function addressBytes({ version, value }: IpAddress): Buffer {
  return Buffer.from(value.toString(16).padStart(BITS[version] / 4, '0'), 'hex');
}

/** Parses `ADDRESS/PREFIX`; undefined when it is none, or has bits behind the prefix. */
export function parseSubnet(text: string): Subnet | undefined {
  const found = parseCidr(text);
  if (found === undefined) return undefined;
  const { address, prefix } = found;
  const subnet = subnetOf(address, prefix);
  return subnet.base === address.value ? subnet : undefined;
}

/** Parses `ADDRESS/PREFIX` of one host in a subnet. */
export function parseCidr(
  text: string,
): { readonly address: IpAddress; readonly prefix: number } | undefined {
  const [, host = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseAddress(host);
  const prefix = Number(bits);
  if (address === undefined || prefix > BITS[address.version]) return undefined;
  return { address, prefix };
}

/** The subnet of this length that an address lies in. */
export function subnetOf({ version, value }: IpAddress, prefix: number): Subnet {
  const shift = BigInt(BITS[version] - prefix);
  return { version, base: (value >> shift) << shift, prefix };
}

/** `BASE/PREFIX`. */
export function formatSubnet({ version, base, prefix }: Subnet): string {
  return `${formatAddress({ version, value: base })}/${prefix}`;
}

/** The address at a place in the subnet; 1 is the first that a host can have. */
export function addressIn({ version, base }: Subnet, place: number): IpAddress {
  return { version, value: base + BigInt(place) };
}

/** Whether an address lies in a subnet. */
export function contains(subnet: Subnet, address: IpAddress): boolean {
  return (
    subnet.version === address.version && subnetOf(address, subnet.prefix).base === subnet.base
  );
}

/** Whether two subnets have an address in common. */
export function overlaps(one: Subnet, other: Subnet): boolean {
  if (one.version !== other.version) return false;
  const shorter = one.prefix < other.prefix ? one : other;
  const longer = shorter === one ? other : one;
  return contains(shorter, { version: longer.version, value: longer.base });
}
