/** What a container's supervisor is told about its networks; plain JSON. */
import type { PortRequest } from '../network/publish-ports.ts';
import type { NetworkPlaces } from './network-places.ts';

/** One network that is joined. */
export interface NetworkJoin {
  readonly name: string;
  /** Addresses that the container must have; any when empty. */
  readonly ips: readonly string[];
  readonly mac?: string;
  /** Further names by which the others of the network find it. */
  readonly aliases: readonly string[];
}

/** Whose namespace the container lives in. */
export type NamespaceSource =
  | { readonly kind: 'own'; readonly joins: readonly NetworkJoin[] }
  /** Of another container, by its id. */
  | { readonly kind: 'container'; readonly containerId: string }
  | { readonly kind: 'path'; readonly path: string };

/** Everything that is made before a run and undone after it. */
export interface NetworkPlan {
  readonly places: NetworkPlaces;
  readonly source: NamespaceSource;
  readonly ports: readonly PortRequest[];
  /** Names by which the container finds itself. */
  readonly ownNames: readonly string[];
  /** Names by which others find it. */
  readonly peerNames: readonly string[];
  /** Names of the host. */
  readonly gatewayNames: readonly string[];
  /** Whether name servers that a network brings are used: the user named none. */
  readonly takesNameServers: boolean;
}
