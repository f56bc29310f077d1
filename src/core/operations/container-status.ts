/** `status`: what can be said of one container. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerListing } from '../container/container-directory.ts';
import { ContainerStore } from '../container/container-store.ts';
import { waitUntilFree } from '../container/container-wait.ts';
import { type Health, readHealth } from '../container/health-file.ts';
import type { OperationOptions } from '../progress.ts';
import type { Engine } from './engine.ts';

/** A container as it is now. Texts come from outside. */
export interface ContainerStatus
  extends Pick<ContainerListing, 'id' | 'phase' | 'exit' | 'pid' | 'startedAt'> {
  readonly name: string | undefined;
  readonly createdAt: string | undefined;
  readonly restartCount: number;
  /** Undefined when nobody checks it. */
  readonly health: Health | undefined;
}

/** How long to wait. */
export interface StatusWait extends OperationOptions {
  readonly timeoutMs?: number;
}

/** Takes no lock. @throws EngineError `CONTAINER_NOT_FOUND` */
export function containerStatus(engine: Engine, input: string): ContainerStatus {
  const listing = ContainerStore.find(engine.settings.dataDir, input);
  const { id, phase, exit, pid, startedAt, record, run, directory } = listing;
  return {
    id,
    phase,
    exit,
    pid,
    startedAt,
    name: record?.name,
    createdAt: record?.createdAt,
    restartCount: run?.restartCount ?? 0,
    health: readHealth(directory),
  };
}

const POLL_MS = 20;

/**
 * Waits until a container is over, also one that was not started yet; false when the time is up.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`; the reason of `signal`
 */
export async function waitUntilOver(
  engine: Engine,
  input: string,
  wait: StatusWait,
): Promise<boolean> {
  const { dataDir } = engine.settings;
  const isStarted = await poll(engine, input, wait, ({ phase }) => phase !== 'created');
  if (!isStarted) return false;
  const { id } = ContainerStore.find(dataDir, input);
  return (await waitUntilFree(dataDir, id, wait)).isOver;
}

/**
 * Waits until a container runs and, if its health is checked, is healthy; false when the time is up,
 * or when it ended instead.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`; the reason of `signal`
 */
export async function waitUntilReady(
  engine: Engine,
  input: string,
  wait: StatusWait,
): Promise<boolean> {
  let hasEnded = false;
  const isReady = await poll(engine, input, wait, ({ phase, directory }) => {
    hasEnded = phase === 'exited' || phase === 'removing';
    const health = readHealth(directory);
    return hasEnded || (phase === 'running' && (health?.status ?? 'healthy') === 'healthy');
  });
  return isReady && !hasEnded;
}

async function poll(
  engine: Engine,
  input: string,
  { timeoutMs, signal }: StatusWait,
  isIt: (listing: ContainerListing) => boolean,
): Promise<boolean> {
  const deadline = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  while (!isIt(ContainerStore.find(engine.settings.dataDir, input))) {
    if (performance.now() >= deadline) return false;
    await delay(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
  return true;
}
