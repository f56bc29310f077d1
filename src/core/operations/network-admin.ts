/** `network create`, `rm` and `prune`. */
import { EngineError, quote } from '../errors.ts';
import { contains, overlaps, parseAddress, parseSubnet } from '../network/addresses.ts';
import { findCniNetwork, isNetworkName } from '../network/cni-config.ts';
import { type HostRoute, hasIPv6, hostRoutes } from '../network/host-routes.ts';
import {
  bridgeName,
  DEFAULT_NETWORK,
  listNetworkRecords,
  type NetworkRecord,
  type NetworkSubnet,
  readNetworkRecord,
  removeNetworkRecord,
  writeNetworkRecord,
} from '../network/network-record.ts';
import { removeDeadContainers } from './dead-containers.ts';
import type { Engine } from './engine.ts';
import { containerLabel, networkUsers, usersOf } from './network-live.ts';
import { lockNetworks, type NetworkPlaces, networkPlaces } from './network-places.ts';
import { conflictOf, newSubnet4, newSubnet6, noNetwork, withGateway } from './network-resolve.ts';
import { syncNetworks } from './network-sync.ts';

/** What a network is made with. */
export interface CreateNetworkOptions {
  readonly name: string;
  /** `BASE/PREFIX` each, at most one of each version; chosen when there is none. */
  readonly subnets: readonly string[];
  /** The host's address in the subnet that it lies in; its first one by default. */
  readonly gateways: readonly string[];
  readonly isInternal: boolean;
  /** Also IPv6, whether the host has it or not. */
  readonly wantsIPv6: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

const RESERVED = ['none', 'host', 'bridge', 'container', 'ns', DEFAULT_NETWORK];

/**
 * Makes a network. Nothing of it is on the host until a container joins it.
 *
 * @throws EngineError `NETWORK_IN_USE` for a name or subnet that somebody has, `USAGE_INVALID`
 */
export async function createNetwork(
  engine: Engine,
  options: CreateNetworkOptions,
): Promise<NetworkRecord> {
  const places = networkPlaces(engine.settings);
  const { name, isInternal, labels } = options;
  if (!isNetworkName(name) || RESERVED.includes(name)) {
    throw new EngineError('USAGE_INVALID', `${quote(name)} cannot be the name of a network`, {
      hint: 'Names have letters, digits, "_", "." and "-".',
    });
  }
  using _lock = await lockNetworks(places, 'records', 'exclusive');
  const isTaken =
    readNetworkRecord(places.dataDir, name) !== undefined ||
    findCniNetwork(places.configDir, name) !== undefined;
  if (isTaken) throw new EngineError('NETWORK_IN_USE', `there is a network ${quote(name)} already`);
  const routes = hostRoutes();
  const bridge = bridgeName(places.dataDir, name);
  const record: NetworkRecord = {
    name,
    bridge,
    subnets: chooseSubnets(places, options, routes),
    isInternal,
    labels,
    createdAt: new Date().toISOString(),
  };
  for (const { subnet } of record.subnets) requireFree(places, subnet, { routes, bridge });
  writeNetworkRecord(places.dataDir, record);
  return record;
}

function chooseSubnets(
  places: NetworkPlaces,
  { subnets, gateways, wantsIPv6 }: CreateNetworkOptions,
  routes: readonly HostRoute[],
): NetworkSubnet[] {
  const given = subnets.map((text) => withGivenGateway(text, gateways));
  const has = (version: 4 | 6): boolean =>
    given.some(({ subnet }) => parseSubnet(subnet)?.version === version);
  requireUsed(gateways, given);
  if (given.length > 0) return [...given, ...(wantsIPv6 && !has(6) ? [newSubnet6()] : [])];
  return [newSubnet4(places, routes), ...(wantsIPv6 || hasIPv6(routes) ? [newSubnet6()] : [])];
}

const SMALLEST = { 4: 30, 6: 126 } as const;

function withGivenGateway(text: string, gateways: readonly string[]): NetworkSubnet {
  const subnet = parseSubnet(text);
  if (subnet === undefined || subnet.prefix > SMALLEST[subnet.version]) {
    throw new EngineError('USAGE_INVALID', `${quote(text)} is not a subnet that has room`, {
      hint: 'Write its first address and the length: --subnet 10.90.0.0/24',
    });
  }
  const gateway = gateways.find((each) => {
    const address = parseAddress(each);
    return address !== undefined && contains(subnet, address);
  });
  return gateway === undefined ? withGateway(subnet) : { subnet: text, gateway };
}

function requireUsed(gateways: readonly string[], subnets: readonly NetworkSubnet[]): void {
  const stray = gateways.find((each) => !subnets.some(({ gateway }) => gateway === each));
  if (stray === undefined) return;
  throw new EngineError('USAGE_INVALID', `the gateway ${quote(stray)} lies in no --subnet`);
}

function requireFree(
  { dataDir }: NetworkPlaces,
  text: string,
  { routes, bridge }: { readonly routes: readonly HostRoute[]; readonly bridge: string },
): void {
  const route = conflictOf(text, routes, bridge);
  const subnet = parseSubnet(text);
  const other = listNetworkRecords(dataDir).find(({ subnets }) =>
    subnets.some((each) => {
      const its = parseSubnet(each.subnet);
      return subnet !== undefined && its !== undefined && overlaps(subnet, its);
    }),
  );
  const who =
    route !== undefined
      ? `the host reaches by ${route.device}`
      : other !== undefined
        ? `the network ${quote(other.name)} has`
        : undefined;
  if (who === undefined) return;
  throw new EngineError('NETWORK_IN_USE', `the subnet ${text} has addresses that ${who}`, {
    hint: 'Choose another, or leave --subnet out.',
  });
}

/** An input that removed nothing. */
export interface NetworkRemovalFailure {
  readonly input: string;
  readonly error: EngineError;
}

/** What was removed, by name. */
export interface NetworkRemoval {
  readonly removed: readonly string[];
  readonly failures: readonly NetworkRemovalFailure[];
}

/**
 * Removes networks. One that a container is in is a failure (`NETWORK_IN_USE`), as is a name of none
 * (`NETWORK_NOT_FOUND`, unless `force`); neither hinders the others.
 */
export async function removeNetworks(
  engine: Engine,
  names: readonly string[],
  { force = false }: { readonly force?: boolean } = {},
): Promise<NetworkRemoval> {
  const places = networkPlaces(engine.settings);
  using _lock = await lockNetworks(places, 'records', 'exclusive');
  const removed: string[] = [];
  const failures: NetworkRemovalFailure[] = [];
  for (const name of new Set(names)) {
    try {
      removeOne(places, name);
      removed.push(name);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (!(force && error.code === 'NETWORK_NOT_FOUND')) failures.push({ input: name, error });
    }
  }
  return { removed, failures };
}

function removeOne(places: NetworkPlaces, name: string): void {
  const { dataDir, configDir } = places;
  const isOurs = isRecorded(dataDir, name);
  if (!isOurs && findCniNetwork(configDir, name) !== undefined) {
    throw new EngineError(
      'USAGE_INVALID',
      `the network ${quote(name)} is a file in ${configDir}, which is not ours to remove`,
    );
  }
  if (!isOurs) throw noNetwork(name);
  const [user] = usersOf(networkUsers(dataDir), name);
  if (user !== undefined) {
    const label = quote(containerLabel(dataDir, user.containerId));
    throw new EngineError(
      'NETWORK_IN_USE',
      `the container ${label} is in the network ${quote(name)}`,
      {
        hint: `Stop it, or take it out: dray network disconnect ${name} ${containerLabel(dataDir, user.containerId)}`,
      },
    );
  }
  removeNetworkRecord(dataDir, name);
}

/** Also one whose record is damaged can be removed. */
function isRecorded(dataDir: string, name: string): boolean {
  try {
    return readNetworkRecord(dataDir, name) !== undefined;
  } catch (error) {
    if (error instanceof EngineError && error.code === 'STORE_CORRUPT') return true;
    throw error;
  }
}

/** Makes the rules of all networks again, whatever the packet filter has. */
export async function reloadNetworks({ settings }: Engine): Promise<void> {
  await syncNetworks(networkPlaces(settings), { isForced: true });
}

/** Removes the networks that users have made and no container is in; returns their names. */
export async function pruneNetworks(engine: Engine): Promise<readonly string[]> {
  await removeDeadContainers(engine);
  const records = listNetworkRecords(engine.settings.dataDir);
  const names = records.map(({ name }) => name).filter((name) => name !== DEFAULT_NETWORK);
  return (await removeNetworks(engine, names)).removed;
}
