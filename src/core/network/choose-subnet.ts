/** Subnets for networks that nobody gave one: clear of all that the host reaches. Pure. */
import { overlaps, type Subnet, subnetOf } from './addresses.ts';

const POOL_START = 0x0a53_0000n; // 10.83.0.0
const POOL_SUBNETS = 320;
const PREFIX = 22;
const SUBNET_SIZE = 1n << BigInt(32 - PREFIX);

/**
 * The first /22 from 10.83.0.0 to 10.87.255.255 that has no address in common with `taken`. Default
 * routes do not count. Undefined when all are taken.
 */
export function chooseSubnet4(taken: readonly Subnet[]): Subnet | undefined {
  const inUse = taken.filter(({ prefix }) => prefix > 0);
  for (let count = 0n; count < POOL_SUBNETS; count += 1n) {
    const subnet: Subnet = { version: 4, base: POOL_START + count * SUBNET_SIZE, prefix: PREFIX };
    if (!inUse.some((other) => overlaps(subnet, other))) return subnet;
  }
  return undefined;
}

const ULA_PREFIX = 0xfdn;

/** The /64 of a unique local network (RFC 4193) that five and two random bytes name. */
export function uniqueLocalSubnet(random: Buffer): Subnet {
  const bytes = BigInt(`0x${random.subarray(0, 7).toString('hex').padStart(14, '0')}`);
  return subnetOf({ version: 6, value: ((ULA_PREFIX << 56n) | bytes) << 64n }, 64);
}
