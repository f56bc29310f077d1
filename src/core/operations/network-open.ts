/** The network of one run: made before runc starts, undone after the container's end. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ContainerStore } from '../container/container-store.ts';
import { EngineError, hasErrno, quote } from '../errors.ts';
import {
  mountNetworkNamespace,
  mountNewNetworkNamespace,
  unmountNetworkNamespace,
} from '../host/network-namespace.ts';
import { parseAddress, parseSubnet } from '../network/addresses.ts';
import { addToNetwork, hasCapability } from '../network/cni-client.ts';
import { findPlugin } from '../network/cni-plugin.ts';
import { parseCniResult } from '../network/cni-result.ts';
import {
  type AttachmentState,
  type NetworkState,
  namespacePath,
  writeNetworkState,
} from '../network/network-state.ts';
import { type PublishedPorts, takePorts } from '../network/publish-ports.ts';
import type { PublishedPort } from '../network/rules.ts';
import { replaceNameServers } from '../runtime/etc-files.ts';
import { containerLabel, networkUsers } from './network-live.ts';
import { lockNetworks, type NetworkPlaces } from './network-places.ts';
import type { NetworkJoin, NetworkPlan } from './network-plan.ts';
import { releaseNetworks } from './network-release.ts';
import { keepRouterAdvertisements, resolveNetwork, setSysctl } from './network-resolve.ts';
import { forwardingTarget, reclaimDead, syncNetworks } from './network-sync.ts';

/** What of a container its network needs. */
export interface NetworkedContainer {
  readonly id: string;
  readonly directory: string;
}

/**
 * Makes the network of a run, and mounts its namespace at `namespacePath` of the container's
 * directory, in the mount namespace of this process. The result is disposed after the container's
 * end. If this process is killed, the namespace and all interfaces go with it and the container;
 * `releaseNetworks` of whoever claims the container does the rest.
 *
 * @throws EngineError `NETWORK_NOT_FOUND`, `NETWORK_IN_USE`, `NETWORK_FAILED`, `PORT_IN_USE`,
 *   `HOST_UNSUPPORTED`, `CONTAINER_WRONG_PHASE`, `CONFIG_INVALID`; nothing is left then
 */
export async function openNetwork(
  plan: NetworkPlan,
  container: NetworkedContainer,
): Promise<AsyncDisposable> {
  const path = namespacePath(container.directory);
  // What an earlier run of this container has left, which was killed.
  unmountNetworkNamespace(path);
  if (plan.source.kind !== 'own') {
    shareNamespace(plan, container, path);
    return { [Symbol.asyncDispose]: async () => unmountNetworkNamespace(path) };
  }
  await using release = new AsyncDisposableStack();
  release.defer(() => unmountNetworkNamespace(path));
  mountNewNetworkNamespace(path);
  release.defer(() => releaseNetworks(plan.places, container.directory));
  const { state, ports } = await decide(plan, plan.source.joins, container);
  release.use(ports);
  await attach(plan, container, state);
  const kept = release.move();
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function shareNamespace(plan: NetworkPlan, { directory }: NetworkedContainer, path: string): void {
  const { source } = plan;
  if (source.kind === 'path') mountNetworkNamespace(source.path, path);
  if (source.kind !== 'container') return;
  const {
    pid,
    phase,
    directory: peer,
  } = ContainerStore.find(plan.places.dataDir, source.containerId);
  if (pid === undefined) {
    const shown = quote(containerLabel(plan.places.dataDir, source.containerId as never));
    throw new EngineError(
      'CONTAINER_WRONG_PHASE',
      `the network of the container ${shown} cannot be shared: it is ${phase}`,
      { hint: 'Start that container first.' },
    );
  }
  mountNetworkNamespace(`/proc/${pid}/ns/net`, path);
  for (const name of ['hosts', 'resolv.conf']) copyIfThere(join(peer, name), join(directory, name));
}

function copyIfThere(source: string, target: string): void {
  try {
    copyFileSync(source, target);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
  }
}

interface Decision {
  readonly state: NetworkState;
  readonly ports: PublishedPorts;
}

/** Under the lock of records, so that a network cannot change between this and its first use. */
async function decide(
  plan: NetworkPlan,
  joins: readonly NetworkJoin[],
  { directory }: NetworkedContainer,
): Promise<Decision> {
  const { places, ownNames, peerNames, gatewayNames } = plan;
  using _lock = await lockNetworks(places, 'records', 'exclusive');
  const attachments = joins.map((join, index) => newAttachment(places, join, `eth${index}`));
  for (const { cni } of attachments) {
    for (const { type } of cni.plugins) findPlugin({ type, pluginDirs: places.pluginDirs });
  }
  const published = publish(plan, attachments);
  const state = {
    attachments: withPortCapability(attachments, published.ports),
    ports: published.ports,
    ownNames,
    peerNames,
    gatewayNames,
  };
  writeNetworkState(directory, state);
  return { state, ports: published };
}

/** What joining a network comes to: the plugins and what they are told. */
export function newAttachment(
  places: NetworkPlaces,
  { name, ips, mac, aliases }: NetworkJoin,
  ifname: string,
): AttachmentState {
  const { cni, own } = resolveNetwork(places, name);
  const capabilities = {
    ...(ips.length === 0 ? {} : { ips: withPrefixes(ips, own) }),
    ...(mac === undefined ? {} : { mac }),
    ...(aliases.length === 0 ? {} : { aliases: { [name]: aliases } }),
  };
  requireTaken(name, cni, capabilities);
  return {
    ifname,
    network: name,
    cni,
    ...(own === undefined ? {} : { own }),
    args: {},
    capabilities,
    aliases,
  };
}

/** What no plugin of a network takes would be dropped without a word. */
function requireTaken(
  name: string,
  cni: AttachmentState['cni'],
  capabilities: Readonly<Record<string, unknown>>,
): void {
  for (const [capability, flag] of [
    ['ips', '--ip'],
    ['mac', '--mac-address'],
  ] as const) {
    if (capabilities[capability] === undefined || hasCapability(cni, capability)) continue;
    throw new EngineError(
      'USAGE_INVALID',
      `the network ${quote(name)} has no plugin that takes ${flag}`,
    );
  }
}

function withPrefixes(ips: readonly string[], own: AttachmentState['own']): string[] {
  if (own === undefined) return [...ips];
  return ips.map((text) => {
    const version = parseAddress(text)?.version;
    const subnet = own.subnets
      .flatMap((each) => parseSubnet(each.subnet) ?? [])
      .find((each) => each.version === version);
    return subnet === undefined ? text : `${text}/${subnet.prefix}`;
  });
}

function publish(plan: NetworkPlan, attachments: readonly AttachmentState[]): PublishedPorts {
  if (plan.ports.length === 0) return { ports: [], [Symbol.dispose]: () => {} };
  const target = forwardingTarget(attachments);
  const isByPlugin = attachments.some(({ cni }) => hasCapability(cni, 'portMappings'));
  if (target === undefined && !isByPlugin) {
    throw new EngineError('USAGE_INVALID', 'none of the networks can publish a port', {
      hint: 'Join one that is not internal, or leave --publish out.',
    });
  }
  const subnets = target?.own?.subnets ?? [];
  return takePorts(plan.ports, {
    hasIPv6: subnets.some(({ subnet }) => parseSubnet(subnet)?.version === 6),
    holderOf: (port) => portHolder(plan.places.dataDir, port),
  });
}

function portHolder(dataDir: string, wanted: PublishedPort): string | undefined {
  const holds = ({ protocol, hostIp, hostPort }: PublishedPort): boolean =>
    protocol === wanted.protocol &&
    hostPort === wanted.hostPort &&
    (hostIp === undefined || wanted.hostIp === undefined || hostIp === wanted.hostIp);
  const holder = networkUsers(dataDir).find(({ state }) => state.ports.some(holds));
  return holder === undefined ? undefined : quote(containerLabel(dataDir, holder.containerId));
}

function withPortCapability(
  attachments: readonly AttachmentState[],
  ports: readonly PublishedPort[],
): AttachmentState[] {
  if (ports.length === 0 || forwardingTarget(attachments) !== undefined) return [...attachments];
  const index = attachments.findIndex(({ cni }) => hasCapability(cni, 'portMappings'));
  const portMappings = ports.map(({ hostIp = '', ...port }) => ({ ...port, hostIP: hostIp }));
  return attachments.map((each, at) =>
    at === index ? { ...each, capabilities: { ...each.capabilities, portMappings } } : each,
  );
}

async function attach(
  plan: NetworkPlan,
  { id, directory }: NetworkedContainer,
  initial: NetworkState,
): Promise<void> {
  const { places } = plan;
  let state = initial;
  {
    using _lock = await lockNetworks(places, 'use', 'shared');
    for (const [index, attachment] of initial.attachments.entries()) {
      const result = await addInterface(places, attachment, {
        id,
        netns: namespacePath(directory),
      });
      const attachments = state.attachments.with(index, { ...attachment, result });
      state = { ...state, attachments };
      writeNetworkState(directory, state);
    }
  }
  const target = forwardingTarget(state.attachments);
  // So that the host's own 127.0.0.1 leads to published ports.
  if (state.ports.length > 0 && target?.own !== undefined) {
    setSysctl(`ipv4/conf/${target.own.bridge}/route_localnet`, '1');
  }
  if (plan.takesNameServers) takeNameServers(directory, state);
  await syncNetworks(places);
}

/** Adds one interface; addresses of dead containers are given back when none is left. */
export async function addInterface(
  places: NetworkPlaces,
  { network, cni, ifname, args, capabilities, own }: AttachmentState,
  { id, netns }: { readonly id: string; readonly netns: string },
): Promise<Record<string, unknown>> {
  const { pluginDirs } = places;
  const attachment = { network: cni, containerId: id, netns, ifname, args, capabilities };
  if (own !== undefined) {
    await reclaimDead(places, network);
    if (own.subnets.some(({ subnet }) => parseSubnet(subnet)?.version === 6)) {
      keepRouterAdvertisements();
    }
  }
  return await addToNetwork(attachment, { pluginDirs });
}

function takeNameServers(directory: string, { attachments }: NetworkState): void {
  const dns = attachments
    .map(({ result = {} }) => parseCniResult(result).dns)
    .find(({ nameservers }) => nameservers.length > 0);
  if (dns === undefined) return;
  const path = join(directory, 'resolv.conf');
  replaceNameServers(path, readFileSync(path, 'utf8'), dns);
}
