/** From the name of a network to what it is. */
import { writeFileSync } from 'node:fs';
import { EngineError, quote } from '../errors.ts';
import {
  addressIn,
  formatAddress,
  formatSubnet,
  overlaps,
  parseSubnet,
  type Subnet,
} from '../network/addresses.ts';
import { chooseSubnet4, uniqueLocalSubnet } from '../network/choose-subnet.ts';
import { type CniNetwork, findCniNetwork } from '../network/cni-config.ts';
import { type HostRoute, hasIPv6, hostRoutes } from '../network/host-routes.ts';
import {
  bridgeName,
  DEFAULT_NETWORK,
  listNetworkRecords,
  type NetworkRecord,
  type NetworkSubnet,
  randomNetworkBytes,
  readNetworkRecord,
  writeNetworkRecord,
} from '../network/network-record.ts';
import { ownCniNetwork } from '../network/own-network.ts';
import { networkUsers, usersOf } from './network-live.ts';
import { leasesDir, type NetworkPlaces } from './network-places.ts';

/** A network that can be joined. */
export interface ResolvedNetwork {
  readonly cni: CniNetwork;
  /** Of a network that dray has made. */
  readonly own?: NetworkRecord;
}

/**
 * The network called `name`: a configuration of the host's administrator, else one that dray has
 * made. The default one is made when it is missing. The caller holds the lock of records.
 *
 * @throws EngineError `NETWORK_NOT_FOUND`, `NETWORK_IN_USE` when the host has come to use its
 *   addresses, `CONFIG_INVALID`, `STORE_CORRUPT`
 */
export function resolveNetwork(places: NetworkPlaces, name: string): ResolvedNetwork {
  const configured = findCniNetwork(places.configDir, name);
  if (configured !== undefined) return { cni: configured };
  const found = readNetworkRecord(places.dataDir, name);
  if (found === undefined && name !== DEFAULT_NETWORK) throw noNetwork(name);
  const own = checked(places, found);
  return { own, cni: ownCniNetwork(own, leasesDir(places)) };
}

/** The error for a name that no network has. */
export function noNetwork(name: string): EngineError {
  return new EngineError('NETWORK_NOT_FOUND', `there is no network ${quote(name)}`, {
    hint: `Make it with "dray network create ${name}", or see "dray network list".`,
  });
}

/** A network that nobody uses now may have come into conflict with the host. */
function checked(places: NetworkPlaces, found: NetworkRecord | undefined): NetworkRecord {
  const { dataDir } = places;
  const isUsed = found !== undefined && usersOf(networkUsers(dataDir), found.name).length > 0;
  if (found !== undefined && isUsed) return found;
  const routes = hostRoutes();
  if (found !== undefined && found.name !== DEFAULT_NETWORK) {
    requireClear(found, routes);
    return found;
  }
  const record = defaultRecord(places, found, routes);
  if (JSON.stringify(record) !== JSON.stringify(found)) writeNetworkRecord(dataDir, record);
  return record;
}

function requireClear(record: NetworkRecord, routes: readonly HostRoute[]): void {
  for (const { subnet } of record.subnets) {
    const conflict = conflictOf(subnet, routes, record.bridge);
    if (conflict === undefined) continue;
    throw new EngineError(
      'NETWORK_IN_USE',
      `the network ${quote(record.name)} has the subnet ${subnet}, which the host reaches by ${conflict.device}`,
      { hint: 'Remove the network and make it again with another --subnet.' },
    );
  }
}

/** A route of the host, other than a default route, into the subnet. */
export function conflictOf(
  subnet: string,
  routes: readonly HostRoute[],
  bridge: string,
): HostRoute | undefined {
  const own = parseSubnet(subnet);
  return routes.find(
    (route) =>
      own !== undefined &&
      route.device !== bridge &&
      route.subnet.prefix > 0 &&
      overlaps(own, route.subnet),
  );
}

function defaultRecord(
  places: NetworkPlaces,
  found: NetworkRecord | undefined,
  routes: readonly HostRoute[],
): NetworkRecord {
  const bridge = bridgeName(places.dataDir, DEFAULT_NETWORK);
  const kept = (found?.subnets ?? []).filter(
    ({ subnet }) => conflictOf(subnet, routes, bridge) === undefined,
  );
  const ofVersion = (version: 4 | 6): NetworkSubnet | undefined =>
    kept.find(({ subnet }) => parseSubnet(subnet)?.version === version);
  const ipv4 = ofVersion(4) ?? newSubnet4(places, routes);
  const ipv6 = hasIPv6(routes) ? (ofVersion(6) ?? newSubnet6()) : undefined;
  return {
    name: DEFAULT_NETWORK,
    bridge,
    subnets: [ipv4, ...(ipv6 === undefined ? [] : [ipv6])],
    isInternal: false,
    labels: {},
    createdAt: found?.createdAt ?? new Date().toISOString(),
  };
}

/** A subnet that neither the host nor another network has. @throws EngineError `NETWORK_IN_USE` */
export function newSubnet4(
  { dataDir }: NetworkPlaces,
  routes: readonly HostRoute[],
): NetworkSubnet {
  const others = listNetworkRecords(dataDir).flatMap(({ subnets }) =>
    subnets.flatMap(({ subnet }) => parseSubnet(subnet) ?? []),
  );
  const subnet = chooseSubnet4([...routes.map((route) => route.subnet), ...others]);
  if (subnet !== undefined) return withGateway(subnet);
  throw new EngineError('NETWORK_IN_USE', 'no subnet between 10.83.0.0 and 10.87.255.255 is free', {
    hint: 'Remove networks that nobody needs (dray network prune), or choose one with --subnet.',
  });
}

/** A subnet that nobody else in the world is likely to have. */
export function newSubnet6(): NetworkSubnet {
  return withGateway(uniqueLocalSubnet(randomNetworkBytes()));
}

/** The first address of a subnet is the host's. */
export function withGateway(subnet: Subnet): NetworkSubnet {
  return { subnet: formatSubnet(subnet), gateway: formatAddress(addressIn(subnet, 1)) };
}

/**
 * Lets the host forward packets, and still take its own routes from routers: the kernel stops
 * listening to them when it forwards.
 */
export function keepRouterAdvertisements(routes: readonly HostRoute[] = hostRoutes()): void {
  for (const { subnet, device } of routes) {
    if (subnet.version !== 6 || subnet.prefix > 0 || device === 'lo') continue;
    setSysctl(`ipv6/conf/${device}/accept_ra`, '2');
  }
}

/** Best effort: where /proc/sys is read-only, the host has decided. */
export function setSysctl(name: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/net/${name}`, value);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}
