/** Undoing the networks of a run, by its supervisor or by whoever claims what a killed one has left. */
import { basename } from 'node:path';
import { EngineError } from '../errors.ts';
import { isNetworkNamespace } from '../host/network-namespace.ts';
import { removeFromNetwork } from '../network/cni-client.ts';
import { reclaimLeases } from '../network/leases.ts';
import {
  type AttachmentState,
  namespacePath,
  readNetworkState,
  removeNetworkState,
} from '../network/network-state.ts';
import { leasesDir, type NetworkPlaces } from './network-places.ts';
import { retireNetwork, syncNetworks } from './network-sync.ts';

/**
 * Gives back everything that `network.json` in a container's directory names: addresses, interfaces,
 * what plugins made, rules; and bridges that nobody needs any more. The container has ended, and the
 * caller has its lock. Idempotent; without such a file this is one look.
 *
 * A plugin that fails does not hinder the rest. What it left is its own to find.
 *
 * @throws EngineError `NETWORK_FAILED` for the packet filter
 */
export async function releaseNetworks(places: NetworkPlaces, directory: string): Promise<void> {
  const state = readNetworkState(directory);
  if (state === undefined) {
    removeNetworkState(directory);
    return;
  }
  const id = basename(directory);
  for (const attachment of state.attachments.toReversed()) {
    await releaseInterface(places, attachment, { id, netns: namespacePath(directory) });
  }
  removeNetworkState(directory);
  for (const { own } of state.attachments) {
    if (own !== undefined) await retireNetwork(places, own);
  }
  await syncNetworks(places);
}

/**
 * Removes one interface. Of a network that dray has made nothing is left after the namespace but the
 * address, so no plugin is started for it.
 */
export async function releaseInterface(
  places: NetworkPlaces,
  { network, cni, own, ifname, args, capabilities, result }: AttachmentState,
  { id, netns }: { readonly id: string; readonly netns: string },
): Promise<void> {
  if (own !== undefined) {
    await reclaimLeases(leasesDir(places), network, (holder, name) => {
      return holder !== id || name !== ifname;
    });
    return;
  }
  const attachment = {
    network: cni,
    containerId: id,
    ifname,
    args,
    capabilities,
    ...(isNetworkNamespace(netns) ? { netns } : {}),
  };
  try {
    await removeFromNetwork(attachment, result, { pluginDirs: places.pluginDirs });
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
}
