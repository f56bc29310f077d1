/** Where the host sends packets, from /proc: what a new subnet must keep clear of. */
import { readFileSync } from 'node:fs';
import { hasErrno } from '../errors.ts';
import type { Subnet } from './addresses.ts';

/** One route of the host. */
export interface HostRoute {
  readonly subnet: Subnet;
  /** The interface that it leaves by. */
  readonly device: string;
}

/** All routes of the namespace that we are in, default routes and the host's own included. */
export function hostRoutes(): HostRoute[] {
  return [...parseRoutes4(read('/proc/net/route')), ...parseRoutes6(read('/proc/net/ipv6_route'))];
}

/** Whether the host reaches the IPv6 internet: it has a default route that leads somewhere. */
export function hasIPv6(routes: readonly HostRoute[]): boolean {
  return routes.some(
    ({ subnet, device }) => subnet.version === 6 && subnet.prefix === 0 && device !== 'lo',
  );
}

/** The text of `/proc/net/route`: numbers in hexadecimal, in the byte order of the machine. */
export function parseRoutes4(text: string): HostRoute[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [device, destination = '', , , , , , mask = ''] = line.split('\t');
      if (device === undefined || !/^[0-9A-F]{8}$/i.test(destination)) return [];
      const prefix = [...swapped(mask).toString(2)].filter((bit) => bit === '1').length;
      return [
        { device: device.trim(), subnet: { version: 4, base: swapped(destination), prefix } },
      ];
    });
}

function swapped(hex: string): bigint {
  const bytes = hex.match(/../g) ?? [];
  return BigInt(`0x${bytes.reverse().join('') || '0'}`);
}

const RTF_REJECT = 0x200;

/** The text of `/proc/net/ipv6_route`. Routes that refuse are none. */
export function parseRoutes6(text: string): HostRoute[] {
  return text.split('\n').flatMap((line) => {
    const [destination = '', prefix = '', , , , , , , flags = '', device] = line
      .trim()
      .split(/\s+/);
    if (device === undefined || !/^[0-9a-f]{32}$/.test(destination)) return [];
    if ((Number.parseInt(flags, 16) & RTF_REJECT) !== 0) return [];
    const subnet: Subnet = {
      version: 6,
      base: BigInt(`0x${destination}`),
      prefix: Number.parseInt(prefix, 16),
    };
    return [{ device, subnet }];
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    // A kernel without IPv6 has no such file.
    if (hasErrno(error, 'ENOENT')) return '';
    throw error;
  }
}
