/** What the commands of networks show. */
import type { NetworkRemoval } from '../core/operations/network-admin.ts';
import type { NetworkView, publishedPorts } from '../core/operations/network-list.ts';
import { errorJson } from './error-report.ts';
import { timeJson } from './image-json.ts';

type PublishedPort = ReturnType<typeof publishedPorts>[number];

/** Titles of the columns of `network list`. */
export const NETWORK_TITLES = ['NAME', 'DRIVER', 'SUBNETS', 'CONTAINERS'] as const;

/** The cells of one network, in the order of `NETWORK_TITLES`. */
export function networkRow({ name, driver, subnets, containers }: NetworkView): string[] {
  return [
    name,
    driver,
    subnets.map(({ subnet }) => subnet).join(', ') || '-',
    containers.map(({ label }) => label).join(', ') || '-',
  ];
}

/** One element of `network list --json`. */
export function networkJson(network: NetworkView) {
  return {
    name: network.name,
    driver: network.driver,
    bridge: network.bridge ?? null,
    subnets: network.subnets.map(({ subnet, gateway }) => ({ subnet, gateway })),
    internal: network.isInternal,
    labels: network.labels,
    created_at: network.createdAt === undefined ? null : timeJson(network.createdAt),
    containers: network.containers.map(({ id, label, mac, addresses }) => ({
      id,
      name: label,
      mac: mac ?? null,
      addresses,
    })),
  };
}

/** What `network inspect` prints of one network: docker's shape. */
export function networkInspection(network: NetworkView) {
  return {
    Name: network.name,
    Created: network.createdAt === undefined ? null : timeJson(network.createdAt),
    Scope: 'local',
    Driver: network.driver,
    EnableIPv6: network.subnets.some(({ subnet }) => subnet.includes(':')),
    IPAM: {
      Driver: 'host-local',
      Options: {},
      Config: network.subnets.map(({ subnet, gateway }) => ({ Subnet: subnet, Gateway: gateway })),
    },
    Internal: network.isInternal,
    Containers: Object.fromEntries(
      network.containers.map(({ id, label, mac, addresses }) => [
        id,
        {
          Name: label,
          MacAddress: mac ?? '',
          IPv4Address: addresses.find((text) => !text.includes(':')) ?? '',
          IPv6Address: addresses.find((text) => text.includes(':')) ?? '',
        },
      ]),
    ),
    Options: network.bridge === undefined ? {} : { 'dev.dray.bridge': network.bridge },
    Labels: network.labels,
  };
}

/** The JSON form of a removal of networks. */
export function networkRemovalJson({ removed, failures }: NetworkRemoval) {
  return {
    removed,
    failures: failures.map(({ input, error }) => ({ input, ...errorJson(error) })),
  };
}

/** Where a published port can be reached, as docker writes it: once for each version of IP. */
export function portAddresses({ hostIp, hostPort }: PublishedPort): string[] {
  if (hostIp === undefined) return [`0.0.0.0:${hostPort}`];
  return [hostIp.includes(':') ? `[${hostIp}]:${hostPort}` : `${hostIp}:${hostPort}`];
}
