/** `network connect` and `disconnect`: networks of a container that runs. */
import type { ContainerListing } from '../container/container-directory.ts';
import { ContainerStore } from '../container/container-store.ts';
import { EngineError, quote } from '../errors.ts';
import { removeFromNetwork } from '../network/cni-client.ts';
import {
  type NetworkState,
  readNetworkState,
  writeNetworkState,
} from '../network/network-state.ts';
import type { Engine } from './engine.ts';
import { addInterface, newAttachment } from './network-open.ts';
import { lockNetworks, type NetworkPlaces, networkPlaces } from './network-places.ts';
import type { NetworkJoin } from './network-plan.ts';
import { releaseInterface } from './network-release.ts';
import { retireNetwork, syncNetworks } from './network-sync.ts';

interface Networked {
  readonly listing: ContainerListing;
  readonly state: NetworkState;
  /** A path of the namespace, of the container's first process. */
  readonly netns: string;
}

/**
 * Gives a running container one more interface, until it ends.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`, `CONTAINER_WRONG_PHASE` when it does not run or has no
 *   networks of its own, `NETWORK_IN_USE` when it is in the network, and those of `openNetwork`
 */
export async function connectNetwork(
  engine: Engine,
  input: string,
  join: NetworkJoin,
): Promise<void> {
  const places = networkPlaces(engine.settings);
  using _use = await lockNetworks(places, 'use', 'shared');
  {
    using _records = await lockNetworks(places, 'records', 'exclusive');
    const { listing, state, netns } = findNetworked(places, input);
    const { id, directory } = listing;
    if (state.attachments.some(({ network }) => network === join.name)) {
      throw new EngineError(
        'NETWORK_IN_USE',
        `the container ${quote(input)} is in the network ${quote(join.name)} already`,
      );
    }
    const attachment = newAttachment(places, join, freeInterface(state));
    // Before it is made, so that whoever cleans up after us knows of it.
    writeNetworkState(directory, { ...state, attachments: [...state.attachments, attachment] });
    try {
      const result = await addInterface(places, attachment, { id, netns });
      const attachments = [...state.attachments, { ...attachment, result }];
      writeNetworkState(directory, { ...state, attachments });
    } catch (error) {
      writeNetworkState(directory, state);
      throw error;
    }
  }
  await syncNetworks(places);
}

function freeInterface({ attachments }: NetworkState): string {
  const taken = new Set(attachments.map(({ ifname }) => ifname));
  for (let number = 0; ; number += 1) {
    if (!taken.has(`eth${number}`)) return `eth${number}`;
  }
}

/**
 * Takes a running container out of a network.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`, `CONTAINER_WRONG_PHASE`, `NETWORK_NOT_FOUND` when it is
 *   not in the network, `NETWORK_FAILED`
 */
export async function disconnectNetwork(
  engine: Engine,
  input: string,
  name: string,
): Promise<void> {
  const places = networkPlaces(engine.settings);
  const found = findNetworked(places, input);
  const attachment = found.state.attachments.find(({ network }) => network === name);
  if (attachment === undefined) {
    throw new EngineError(
      'NETWORK_NOT_FOUND',
      `the container ${quote(input)} is not in the network ${quote(name)}`,
    );
  }
  {
    using _records = await lockNetworks(places, 'records', 'exclusive');
    const { listing, state, netns } = findNetworked(places, input);
    const { id, directory } = listing;
    const { cni, ifname, args, capabilities, result } = attachment;
    // The namespace stays, so the plugins have to take the interface away.
    await removeFromNetwork(
      { network: cni, containerId: id, netns, ifname, args, capabilities },
      result,
      { pluginDirs: places.pluginDirs },
    );
    await releaseInterface(places, attachment, { id, netns });
    const attachments = state.attachments.filter(({ network }) => network !== name);
    writeNetworkState(directory, { ...state, attachments });
  }
  if (attachment.own !== undefined) await retireNetwork(places, attachment.own);
  await syncNetworks(places);
}

function findNetworked({ dataDir }: NetworkPlaces, input: string): Networked {
  const listing = ContainerStore.find(dataDir, input);
  const { pid, directory, phase } = listing;
  const state = readNetworkState(directory);
  if (pid !== undefined && state !== undefined) {
    return { listing, state, netns: `/proc/${pid}/ns/net` };
  }
  const why = pid === undefined ? phase : 'not in any network of its own';
  throw new EngineError('CONTAINER_WRONG_PHASE', `the container ${quote(input)} is ${why}`, {
    hint: 'Only a running container that has networks can join and leave them.',
  });
}
