/**
 * The packet filter and the hosts files of containers, brought up to date with who lives. Both are
 * made anew from what containers have written down, so a command that was killed leaves nothing that
 * the next one does not correct.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { removeBridge } from '../host/network-interface.ts';
import { bootId } from '../host/process-identity.ts';
import { formatAddress, parseAddress, parseCidr } from '../network/addresses.ts';
import { applyRules } from '../network/apply-rules.ts';
import { parseCniResult } from '../network/cni-result.ts';
import { type HostsLine, updateHostsFile } from '../network/hosts-file.ts';
import { forgetLeases, reclaimLeases } from '../network/leases.ts';
import { DEFAULT_NETWORK, type NetworkRecord } from '../network/network-record.ts';
import type { AttachmentState } from '../network/network-state.ts';
import { type Forwarding, networkRules, type RuleSet } from '../network/rules.ts';
import { type NetworkUser, networkUsers, usersOf } from './network-live.ts';
import { leasesDir, lockNetworks, type NetworkPlaces, tryLockNetworks } from './network-places.ts';

const PAUSE_MS = 5;

/**
 * Brings rules and hosts files up to date. The filter is only touched when something has changed,
 * unless `isForced`: then also when somebody else has emptied it.
 *
 * @throws EngineError `NETWORK_FAILED`, `HOST_UNSUPPORTED`
 */
export async function syncNetworks(
  places: NetworkPlaces,
  { isForced = false }: { readonly isForced?: boolean } = {},
): Promise<void> {
  using _lock = await lockNetworks(places, 'rules', 'exclusive');
  const users = networkUsers(places.dataDir);
  await syncRules(places, ruleSet(users), isForced);
  for (const user of users) {
    updateHostsFile(join(user.directory, 'hosts'), hostsLines(user, users));
  }
}

async function syncRules(places: NetworkPlaces, rules: RuleSet, isForced: boolean): Promise<void> {
  const path = join(places.stateDir, 'rules.json');
  const hasIPv6 = rules.networks.some(({ subnet6 }) => subnet6 !== undefined);
  const wanted = { bootId: bootId(), hasIPv6, rules };
  const applied = readText(path);
  const isSameBoot = applied?.includes(wanted.bootId) === true;
  const isNothing = rules.networks.length === 0 && !isSameBoot;
  if (isNothing || (!isForced && applied === JSON.stringify(wanted))) return;
  const hadIPv6 = isSameBoot && applied.includes('"hasIPv6":true');
  // Killed in between, the file says that something is there, and not what.
  const pending = { bootId: wanted.bootId, hasIPv6: hasIPv6 || hadIPv6, isPending: true };
  writeFileSync(path, JSON.stringify(pending), { mode: 0o600 });
  await applyRules(rules, { ipv6: hadIPv6 });
  if (rules.networks.length === 0) rmSync(path, { force: true });
  else writeFileSync(path, JSON.stringify(wanted), { mode: 0o600 });
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function ruleSet(users: readonly NetworkUser[]): RuleSet {
  const records = new Map<string, NetworkRecord>();
  for (const { own } of users.flatMap(({ state }) => state.attachments)) {
    if (own !== undefined) records.set(own.bridge, own);
  }
  const networks = [...records.values()].sort((a, b) => a.bridge.localeCompare(b.bridge));
  return {
    networks: networks.map(networkRules),
    forwardings: users.flatMap(forwardingsOf),
  };
}

/** A port leads to the first network that lets something in, in every version that it has there. */
function forwardingsOf({ state }: NetworkUser): Forwarding[] {
  const target = forwardingTarget(state.attachments);
  if (target === undefined) return [];
  return state.ports.flatMap((port) =>
    addressesOf(target).flatMap((containerIp) => {
      const version = parseAddress(containerIp)?.version ?? 4;
      const isMeant = port.hostIp === undefined || parseAddress(port.hostIp)?.version === version;
      return isMeant ? [{ ...port, containerIp, version, bridge: target.own?.bridge ?? '' }] : [];
    }),
  );
}

/** The attachment that published ports lead to; undefined when plugins do it, or none can. */
export function forwardingTarget(
  attachments: readonly AttachmentState[],
): AttachmentState | undefined {
  return attachments.find(({ own }) => own !== undefined && !own.isInternal);
}

/** The addresses of an interface, without the length of the prefix. */
export function addressesOf({ result = {} }: Pick<AttachmentState, 'result'>): string[] {
  return parseCniResult(result).addresses.flatMap((text) => {
    const address = parseCidr(text)?.address;
    return address === undefined ? [] : [formatAddress(address)];
  });
}

/** The container itself, the host, and the others in its networks except the default one. */
function hostsLines(user: NetworkUser, users: readonly NetworkUser[]): HostsLine[] {
  const { attachments, ownNames, gatewayNames } = user.state;
  const own = attachments.flatMap((each) =>
    addressesOf(each).map((address) => ({ address, names: ownNames })),
  );
  const [gateway] = attachments.flatMap(({ result = {} }) => parseCniResult(result).gateways);
  const host =
    gateway === undefined || gatewayNames.length === 0
      ? []
      : [{ address: gateway, names: gatewayNames }];
  const shared = new Set(attachments.map(({ network }) => network));
  const others = users
    .filter(({ containerId }) => containerId !== user.containerId)
    .flatMap(({ state }) =>
      state.attachments
        .filter(({ network }) => network !== DEFAULT_NETWORK && shared.has(network))
        .flatMap((each) =>
          addressesOf(each).map((address) => ({
            address,
            names: [...state.peerNames, ...each.aliases],
          })),
        ),
    );
  // A container's own aliases lead to itself, too.
  const aliases = attachments.flatMap((each) =>
    each.aliases.length === 0 || each.network === DEFAULT_NETWORK
      ? []
      : addressesOf(each).map((address) => ({ address, names: each.aliases })),
  );
  return [...own, ...host, ...aliases, ...others].filter(({ names }) => names.length > 0);
}

/**
 * Removes the bridge of a network that nobody uses any more, and gives back the addresses of those
 * who are gone. Waits for nobody who uses it.
 */
export async function retireNetwork(
  places: NetworkPlaces,
  { name, bridge }: Pick<NetworkRecord, 'name' | 'bridge'>,
): Promise<void> {
  const isUsed = (): boolean => usersOf(networkUsers(places.dataDir), name).length > 0;
  while (!isUsed()) {
    using lock = tryLockNetworks(places, 'use', 'exclusive');
    if (lock === undefined) {
      await new Promise((resolve) => void setTimeout(resolve, PAUSE_MS));
      continue;
    }
    if (isUsed()) return;
    await reclaimDead(places, name);
    forgetLeases(leasesDir(places), name);
    removeBridge(bridge);
    return;
  }
}

/** Gives back the addresses of a network whose containers do not live. */
export async function reclaimDead(places: NetworkPlaces, name: string): Promise<void> {
  const users = usersOf(networkUsers(places.dataDir), name);
  const held = new Set(
    users.flatMap(({ containerId, state }) =>
      state.attachments.map(({ ifname }) => `${containerId} ${ifname}`),
    ),
  );
  await reclaimLeases(leasesDir(places), name, (id, ifname) => held.has(`${id} ${ifname}`));
}
