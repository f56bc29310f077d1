/** `stop`, `kill` and `wait`. */
import type { ContainerListing } from '../container/container-directory.ts';
import { killedExit } from '../container/container-record.ts';
import { ContainerStore } from '../container/container-store.ts';
import { type WaitResult, waitUntilFree } from '../container/container-wait.ts';
import { EngineError, quote } from '../errors.ts';
import type { OperationOptions } from '../progress.ts';
import type { Engine } from './engine.ts';
import { type ContainerOutcome, forEachContainer } from './for-each-container.ts';
import {
  markStopped,
  signalContainer,
  signalSupervisor,
  thawContainer,
} from './signal-container.ts';

/** How a container is stopped. */
export interface StopOptions extends OperationOptions {
  /** Between its stop signal and SIGKILL; undefined: as it was made with, else 10 s. */
  readonly timeoutSeconds?: number;
}

const DEFAULT_STOP_SECONDS = 10;
/** How long a killed container takes at most on a busy machine. */
const KILL_PATIENCE_MS = 30_000;
/** A container that is only starting, or waits for its restart, is ended by its supervisor. */
const SUPERVISOR_PATIENCE_MS = 3000;
const SIGKILL = 9;

/**
 * Stops containers: their stop signal, and SIGKILL when the time is up. Each is over when this
 * resolves: nobody holds it any more. One that does not run is a success. A restart policy does not
 * start them again.
 */
export async function stopContainers(
  engine: Engine,
  inputs: readonly string[],
  options: StopOptions = {},
): Promise<ContainerOutcome<void>> {
  return await forEachContainer(inputs, async (input) => {
    const listing = ContainerStore.find(engine.settings.dataDir, input);
    if (isOver(listing)) return;
    await stopContainer(engine, listing, options);
  });
}

/** @throws EngineError `HOST_CALL_FAILED` when it does not even end by SIGKILL */
async function stopContainer(
  engine: Engine,
  listing: ContainerListing,
  { timeoutSeconds, signal }: StopOptions,
): Promise<void> {
  const { dataDir } = engine.settings;
  const { run } = listing;
  const seconds = timeoutSeconds ?? run?.stopTimeoutSeconds ?? DEFAULT_STOP_SECONDS;
  if (listing.phase !== 'exited') {
    markStopped(listing);
    if (signalContainer(listing, run?.stopSignal ?? SIGKILL)) thawContainer(listing);
    else signalSupervisor(listing);
  }
  const { isOver: hasEnded } = await waitUntilFree(dataDir, listing.id, {
    timeoutMs: seconds * 1000,
    signal,
  });
  if (!hasEnded) await killAndWait(engine, listing.id);
}

/**
 * Kills a container, whatever it is doing, and waits until nobody holds it any more.
 *
 * @throws EngineError `HOST_CALL_FAILED` when it does not end
 */
export async function killAndWait(engine: Engine, id: ContainerListing['id']): Promise<void> {
  const { dataDir } = engine.settings;
  const deadline = performance.now() + KILL_PATIENCE_MS;
  for (let wait: Partial<WaitResult> = {}; wait.isOver !== true; ) {
    const listing = tryFind(dataDir, id);
    if (listing === undefined || isOver(listing)) return;
    if (performance.now() > deadline) {
      throw new EngineError('HOST_CALL_FAILED', `the container ${id.slice(0, 12)} does not end`);
    }
    markStopped(listing);
    if (!signalContainer(listing, SIGKILL)) {
      // It is only starting, or its supervisor is about to end; which may itself be stuck.
      const isOld = performance.now() > deadline - KILL_PATIENCE_MS + SUPERVISOR_PATIENCE_MS;
      signalSupervisor(listing, isOld ? SIGKILL : undefined);
    }
    wait = await waitUntilFree(dataDir, id, { timeoutMs: 200 });
  }
}

function tryFind(dataDir: string, id: ContainerListing['id']): ContainerListing | undefined {
  try {
    return ContainerStore.find(dataDir, id);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'CONTAINER_NOT_FOUND') return undefined;
    throw error;
  }
}

/**
 * Sends `signal` (a number) to the first process of running containers. SIGKILL and the stop signal
 * also end the waiting for a restart, and are the last word: a restart policy does nothing then.
 */
export async function killContainers(
  engine: Engine,
  inputs: readonly string[],
  signal: number,
): Promise<ContainerOutcome<void>> {
  return await forEachContainer(inputs, async (input) => {
    const listing = ContainerStore.find(engine.settings.dataDir, input);
    const endsIt = signal === SIGKILL || signal === listing.run?.stopSignal;
    const isWaiting = listing.phase === 'restarting';
    if (endsIt && (listing.pid !== undefined || isWaiting)) markStopped(listing);
    if (signalContainer(listing, signal)) return;
    if (isWaiting && endsIt && signalSupervisor(listing)) return;
    throw isWaiting ? restarting(input) : notRunning(input);
  });
}

function restarting(input: string): EngineError {
  return new EngineError('CONTAINER_WRONG_PHASE', `the container ${quote(input)} is restarting`, {
    hint: `Wait until it runs, or end that with "dray stop ${input}".`,
  });
}

/** The error for a container that does not run. */
export function notRunning(input: string): EngineError {
  return new EngineError('CONTAINER_WRONG_PHASE', `the container ${quote(input)} is not running`, {
    hint: `Start it with "dray start ${input}".`,
  });
}

/**
 * Waits until containers are over; one that does not run is at once. Its end is known also when it is
 * removed meanwhile; it is undefined for one that waits for its start. Who is killed with its
 * supervisor has ended by SIGKILL.
 *
 * @throws the reason of `signal`
 */
export async function waitForContainers(
  engine: Engine,
  inputs: readonly string[],
  { signal }: OperationOptions = {},
): Promise<ContainerOutcome<WaitResult>> {
  const { dataDir } = engine.settings;
  return await forEachContainer(inputs, async (input) => {
    const listing = ContainerStore.find(dataDir, input);
    if (isOver(listing)) return { isOver: true, exit: listing.exit };
    const { isOver: hasEnded, exit } = await waitUntilFree(dataDir, listing.id, { signal });
    return { isOver: hasEnded, exit: exit ?? unwrittenEnd(dataDir, listing.id) };
  });
}

/** Nobody wrote the end down: it could not be started and waits again, or its supervisor was killed. */
function unwrittenEnd(dataDir: string, id: ContainerListing['id']): WaitResult['exit'] {
  const listing = tryFind(dataDir, id);
  return listing?.phase === 'created' ? undefined : (listing?.exit ?? killedExit());
}

/** Whether nothing of it runs. One that has exited may still be held for a moment. */
function isOver({ phase }: ContainerListing): boolean {
  return phase === 'created' || phase === 'removing';
}
