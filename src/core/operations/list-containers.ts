/** `list`: the containers that there are, without taking a lock. */
import type { ContainerListing } from '../container/container-directory.ts';
import { ContainerStore } from '../container/container-store.ts';
import { type HealthStatus, readHealth } from '../container/health-file.ts';
import type { ContainerPhase } from '../container/lifecycle.ts';
import { containerNetwork, type PortInfo } from './container-network.ts';
import { type ContainerSizes, containerSizes } from './container-sizes.ts';
import type { Engine } from './engine.ts';
import { type MountInfo, mountsOf } from './mount-info.ts';

/** One line of `list`. Texts come from outside; a time of a damaged record may be none. */
export interface ContainerInfo {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string | undefined;
  /** How the image was called, or its id. Undefined when the container's record is damaged. */
  readonly image: string | undefined;
  readonly imageId: string | undefined;
  readonly command: readonly string[];
  readonly createdAt: Date | undefined;
  readonly phase: ContainerPhase;
  /** Undefined until it has ended, and when its dray was killed. */
  readonly exitStatus: number | undefined;
  /** When its process was last started; undefined when it never was. */
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  /** Undefined when nobody checks it, or it does not run. */
  readonly health: HealthStatus | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Names of networks, or `none` or `host`. */
  readonly networks: readonly string[];
  readonly ports: readonly PortInfo[];
  /** Only when asked for. */
  readonly mounts?: readonly MountInfo[];
  /** Only when asked for. */
  readonly sizes?: ContainerSizes;
}

/** What costs more reads, and is left out by default. */
export interface ListContainersOptions {
  readonly withMounts?: boolean;
  readonly withSizes?: boolean;
}

/** All containers, oldest first. */
export function listContainers(
  { settings: { dataDir } }: Engine,
  { withMounts = false, withSizes = false }: ListContainersOptions = {},
): ContainerInfo[] {
  return ContainerStore.list(dataDir).map((listing) => ({
    ...containerInfo(listing),
    ...(withMounts ? { mounts: mountsOf(dataDir, listing) } : {}),
    ...(withSizes ? { sizes: containerSizes(dataDir, listing) } : {}),
  }));
}

/** What `list` shows of a container that was looked at. */
export function containerInfo(listing: ContainerListing): ContainerInfo {
  const { id, record, phase, exit, startedAt, directory } = listing;
  const { names, ports } = containerNetwork(listing);
  const isUp = phase === 'running' || phase === 'paused';
  return {
    id,
    name: record?.name,
    image: record?.reference ?? record?.imageId,
    imageId: record?.imageId,
    command: record?.command ?? [],
    createdAt: record === undefined ? undefined : new Date(record.createdAt),
    phase,
    exitStatus: exit?.status,
    startedAt,
    finishedAt: exit?.finishedAt,
    health: isUp ? readHealth(directory)?.status : undefined,
    labels: record?.labels ?? {},
    networks: names,
    ports,
  };
}
