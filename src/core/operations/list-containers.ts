/** `list`: the containers that there are, without taking a lock. */
import { ContainerStore } from '../container/container-store.ts';
import type { ContainerPhase } from '../container/lifecycle.ts';
import type { Engine } from './engine.ts';

/** One line of `list`. Texts come from outside. */
export interface ContainerInfo {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string | undefined;
  /** How the image was called, or its id. Undefined when the container's record is damaged. */
  readonly image: string | undefined;
  readonly command: readonly string[];
  readonly createdAt: Date | undefined;
  readonly phase: ContainerPhase;
  /** Undefined until it has ended, and when its dray was killed. */
  readonly exitStatus: number | undefined;
}

/** All containers, oldest first. */
export function listContainers(engine: Engine): ContainerInfo[] {
  return ContainerStore.list(engine.settings.dataDir).map(({ id, record, phase, exit }) => ({
    id,
    name: record?.name,
    image: record?.reference ?? record?.imageId,
    command: record?.command ?? [],
    createdAt: record === undefined ? undefined : new Date(record.createdAt),
    phase,
    exitStatus: exit?.status,
  }));
}
