/** What a container has of networks, for commands that show it. */
import type { ContainerListing } from '../container/container-directory.ts';
import { parseCniResult } from '../network/cni-result.ts';
import { type AttachmentState, readNetworkState } from '../network/network-state.ts';
import { isJsonObject } from '../oci/json-document.ts';

/** A port of the host that leads into the container. */
export interface PortInfo {
  readonly protocol: string;
  /** Undefined: all addresses. */
  readonly hostIp?: string;
  readonly hostPort: number;
  readonly containerPort: number;
}

/** One network of a container. Addresses are without a length. */
export interface NetworkInfo {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly macAddress: string;
  readonly addresses: readonly AddressInfo[];
}

/** One address of an interface. */
export interface AddressInfo {
  readonly address: string;
  readonly prefixLength: number;
  /** Empty when there is none. */
  readonly gateway: string;
  readonly isIpv6: boolean;
}

/** The networks of a container. Addresses, networks and ports are there while it runs. */
export interface ContainerNetwork {
  /** `none`, `host`, `container:…`, `ns:…`, or the name of the first network. */
  readonly mode: string;
  /** Names of the networks that it was told to join. */
  readonly names: readonly string[];
  readonly networks: readonly NetworkInfo[];
  readonly ports: readonly PortInfo[];
}

/** Reads it, without a lock; what is damaged is as if it were not there. */
export function containerNetwork({
  directory,
  phase,
  record,
}: Pick<ContainerListing, 'directory' | 'phase' | 'record'>): ContainerNetwork {
  const choice = record?.options?.network;
  const names = namesOf(choice);
  const isLive = phase === 'running' || phase === 'paused' || phase === 'restarting';
  const state = isLive && isJsonObject(choice) ? readNetworkState(directory) : undefined;
  return {
    mode: modeOf(choice) ?? names[0] ?? '',
    names,
    networks: (state?.attachments ?? []).map(networkInfo),
    ports: state?.ports ?? [],
  };
}

function namesOf(choice: unknown): string[] {
  if (typeof choice === 'string') return [choice];
  const joins = isJsonObject(choice) && Array.isArray(choice.joins) ? choice.joins : [];
  return joins.filter(isJsonObject).flatMap(({ name }) => (typeof name === 'string' ? name : []));
}

function modeOf(choice: unknown): string | undefined {
  if (!isJsonObject(choice)) return undefined;
  if (choice.kind === 'container') return `container:${choice.container}`;
  return choice.kind === 'path' ? `ns:${choice.path}` : undefined;
}

function networkInfo({ network, aliases, result = {} }: AttachmentState): NetworkInfo {
  const { addresses, gateways, mac = '' } = parseCniResult(result);
  return {
    name: network,
    aliases,
    macAddress: mac,
    addresses: addresses.map((cidr) => {
      const [address = '', length] = cidr.split('/');
      const isIpv6 = address.includes(':');
      const gateway = gateways.find((each) => each.includes(':') === isIpv6) ?? '';
      return { address, prefixLength: Number(length), gateway, isIpv6 };
    }),
  };
}
