/** From what was asked of a container to what its supervisor does about networks. */
import { ContainerStore } from '../container/container-store.ts';
import { EngineError, quote } from '../errors.ts';
import type { ImageDefaults } from '../oci/image-config.ts';
import { HOST_GATEWAY, hostNames } from '../runtime/etc-files.ts';
import type { ContainerPort, PublishRequest, RunOptions } from '../runtime/run-options.ts';
import type { Engine } from './engine.ts';
import { networkPlaces } from './network-places.ts';
import type { NamespaceSource, NetworkPlan } from './network-plan.ts';

/** A container whose network is planned. */
export interface PlannedContainer {
  readonly id: string;
  readonly hostname: string;
  readonly options: RunOptions;
  /** As the image says: `80/tcp` and so on. */
  readonly exposedPorts: ImageDefaults['ExposedPorts'];
}

const SHORT_ID_DIGITS = 12;

/**
 * The plan for a container with a network of its own, or with another's; undefined with the host's, or
 * none. The container that is to share its network must run.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`, `IMAGE_INVALID` for a port of the image that is none
 */
export function planNetwork(
  engine: Engine,
  { id, hostname, options, exposedPorts }: PlannedContainer,
): NetworkPlan | undefined {
  const { network, name, domainname, nameServers, extraHosts = [] } = options;
  if (network === 'none' || network === 'host') return undefined;
  return {
    places: networkPlaces(engine.settings),
    source: sourceOf(engine, network),
    ports: network.kind === 'own' ? portsOf(options, exposedPorts ?? {}) : [],
    ownNames: hostNames(hostname, domainname),
    peerNames: [...(name === undefined ? [] : [name]), id.slice(0, SHORT_ID_DIGITS)],
    gatewayNames: extraHosts
      .filter(({ address }) => address === HOST_GATEWAY)
      .map((each) => each.name),
    takesNameServers: nameServers?.servers === undefined,
  };
}

function sourceOf(
  { settings }: Engine,
  network: Exclude<RunOptions['network'], string>,
): NamespaceSource {
  if (network.kind !== 'container') return network;
  const { id } = ContainerStore.find(settings.dataDir, network.container);
  return { kind: 'container', containerId: id };
}

/** What was published, and with `-P` what is exposed and not published yet. */
function portsOf(
  { publish = [], publishesAll = false, exposed = [] }: RunOptions,
  ofImage: NonNullable<ImageDefaults['ExposedPorts']>,
): PublishRequest[] {
  if (!publishesAll) return [...publish];
  const all = [...exposed, ...Object.keys(ofImage).flatMap(parseExposed)];
  const known = new Set(publish.map(portKey));
  const more = all.filter((port) => {
    const isNew = !known.has(portKey(port));
    known.add(portKey(port));
    return isNew;
  });
  return [...publish, ...more.map((port) => ({ ...port, hostPorts: [0, 0] as const }))];
}

function portKey({ protocol, containerPort }: ContainerPort): string {
  return `${containerPort}/${protocol}`;
}

const LARGEST_PORT = 65_535;

/** `80`, `80/udp` or `8000-8010/tcp`, as images write it. */
function parseExposed(text: string): ContainerPort[] {
  const [, first = '', last = first, protocol = 'tcp'] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === '' || from < 1 || to > LARGEST_PORT || to < from) {
    throw new EngineError('IMAGE_INVALID', `the image exposes ${quote(text)}, which is no port`);
  }
  return Array.from({ length: to - from + 1 }, (_, index) => ({
    protocol: protocol as ContainerPort['protocol'],
    containerPort: from + index,
  }));
}
