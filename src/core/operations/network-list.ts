/** `network list` and `network inspect`, and `port`: what there is, without taking a lock. */
import { ContainerStore } from '../container/container-store.ts';
import { EngineError, quote } from '../errors.ts';
import { findCniNetwork, listCniNetworks } from '../network/cni-config.ts';
import { parseCniResult } from '../network/cni-result.ts';
import {
  DEFAULT_NETWORK,
  listNetworkRecords,
  type NetworkSubnet,
  readNetworkRecord,
} from '../network/network-record.ts';
import { readNetworkState } from '../network/network-state.ts';
import type { PublishedPort } from '../network/rules.ts';
import type { Engine } from './engine.ts';
import { containerLabel, networkUsers, usersOf } from './network-live.ts';
import { type NetworkPlaces, networkPlaces } from './network-places.ts';
import { noNetwork } from './network-resolve.ts';

/** One network. Texts come from outside. */
export interface NetworkView {
  readonly name: string;
  /** The first plugin's type; `none` and `host` for what is none. */
  readonly driver: string;
  /** Its interface on the host, where dray has made it. */
  readonly bridge?: string;
  readonly subnets: readonly NetworkSubnet[];
  readonly isInternal: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt?: Date;
  readonly containers: readonly NetworkMember[];
}

/** A container in a network. */
export interface NetworkMember {
  readonly id: string;
  /** Its name, else the beginning of its id. */
  readonly label: string;
  readonly mac?: string;
  /** `ADDRESS/PREFIX`. */
  readonly addresses: readonly string[];
}

const BUILT_IN = ['host', 'none'];

/** All networks by name, with those that need no plugin. */
export function listNetworks({ settings }: Engine): NetworkView[] {
  const places = networkPlaces(settings);
  const names = new Set([
    DEFAULT_NETWORK,
    ...listCniNetworks(places.configDir).map(({ name }) => name),
    ...listNetworkRecords(places.dataDir).map(({ name }) => name),
  ]);
  const users = networkUsers(places.dataDir);
  const views = [...names].flatMap((name) => viewOf(places, name, users) ?? []);
  return [...views, ...BUILT_IN.map(builtIn)].sort((a, b) => a.name.localeCompare(b.name));
}

/** The networks of these names, in their order. @throws EngineError `NETWORK_NOT_FOUND` */
export function inspectNetworks({ settings }: Engine, names: readonly string[]): NetworkView[] {
  const places = networkPlaces(settings);
  const users = networkUsers(places.dataDir);
  return names.map((typed) => {
    const name = typed === 'bridge' ? DEFAULT_NETWORK : typed;
    if (BUILT_IN.includes(name)) return builtIn(name);
    const view = viewOf(places, name, users);
    if (view === undefined) throw noNetwork(typed);
    return view;
  });
}

function builtIn(name: string): NetworkView {
  return { name, driver: name, subnets: [], isInternal: false, labels: {}, containers: [] };
}

/** The default network is there before it is first used. */
function viewOf(
  { dataDir, configDir }: NetworkPlaces,
  name: string,
  users: ReturnType<typeof networkUsers>,
): NetworkView | undefined {
  const containers = usersOf(users, name).map(({ containerId, state }) => {
    const own = state.attachments.filter(({ network }) => network === name);
    const [result = {}] = own.map((each) => each.result ?? {});
    const { addresses, mac } = parseCniResult(result);
    return {
      id: containerId,
      label: containerLabel(dataDir, containerId),
      ...(mac === undefined ? {} : { mac }),
      addresses,
    };
  });
  const configured = findCniNetwork(configDir, name);
  const record = configured === undefined ? readNetworkRecord(dataDir, name) : undefined;
  if (configured === undefined && record === undefined && name !== DEFAULT_NETWORK)
    return undefined;
  return {
    name,
    driver: configured?.plugins[0]?.type ?? 'bridge',
    ...(record === undefined ? {} : { bridge: record.bridge }),
    subnets: record?.subnets ?? [],
    isInternal: record?.isInternal ?? false,
    labels: record?.labels ?? {},
    ...(record === undefined ? {} : { createdAt: new Date(record.createdAt) }),
    containers,
  };
}

/**
 * `port`: the published ports of a container that runs.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`; `NETWORK_NOT_FOUND` when `wanted` is not published
 */
export function publishedPorts(
  { settings }: Engine,
  input: string,
  wanted?: { readonly containerPort: number; readonly protocol: string },
): PublishedPort[] {
  const { directory, phase } = ContainerStore.find(settings.dataDir, input);
  const isLive = phase === 'running' || phase === 'paused';
  const ports = isLive ? (readNetworkState(directory)?.ports ?? []) : [];
  if (wanted === undefined) return [...ports];
  const found = ports.filter(
    (port) => port.containerPort === wanted.containerPort && port.protocol === wanted.protocol,
  );
  if (found.length > 0) return found;
  throw new EngineError(
    'NETWORK_NOT_FOUND',
    `the port ${wanted.containerPort}/${wanted.protocol} of the container ${quote(input)} is not published`,
    { hint: `See what is: dray port ${input}` },
  );
}
