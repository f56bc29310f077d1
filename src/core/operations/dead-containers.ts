/**
 * Containers that nobody supervises any more: their dray was killed, or the machine was restarted.
 *
 * Whoever gets the lock of such a container finishes what its supervisor could not: ends processes
 * that still live, removes control groups and runc's state, and then the container, if it was to go,
 * or writes down that it has ended. Each step is idempotent, and the last one is the one that makes
 * the container look finished, so a sweep that is killed is repeated by the next.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { killedExit } from '../container/container-record.ts';
import { type Container, ContainerStore } from '../container/container-store.ts';
import { readRunState } from '../container/run-state.ts';
import { EngineError } from '../errors.ts';
import { endLeftovers } from '../runtime/end-container.ts';
import { findRunc } from '../runtime/runc-program.ts';
import type { Engine } from './engine.ts';

/**
 * Finishes what dead containers have left; returns how many of them are gone now. Safe beside
 * anything. Where a supervisor has just been killed, this waits a moment for its watch.
 *
 * @throws EngineError `RUNTIME_NOT_FOUND`, `RUNTIME_FAILED`; SystemCallError
 */
export async function removeDeadContainers(engine: Engine): Promise<number> {
  const { dataDir } = engine.settings;
  await ContainerStore.awaitWatches(dataDir);
  return await finishFree(engine);
}

/**
 * The same for a command that has something else to do: it does not fail. What cannot be finished, as
 * on a read-only disk, is left to the next command.
 */
export async function sweepQuietly(
  engine: Engine,
  { waits }: { readonly waits: boolean },
): Promise<void> {
  try {
    if (waits) await removeDeadContainers(engine);
    else await finishFree(engine);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
}

/**
 * Ends what may still run of a container that this process has claimed, and gives back what it had of
 * networks.
 *
 * @throws EngineError
 */
export async function endClaimed(engine: Engine, container: Container): Promise<void> {
  const run = readRunState(container.directory);
  if (run === undefined) return;
  await endLeftovers({
    runcPath: findRunc(engine.settings.runcPath),
    runtimeRoot: run.runtimeRoot,
    containerId: container.id,
    groups: run.cgroups,
  });
  await releaseNetworksOf(engine, container);
}

/** Loaded only for a container that had any. */
async function releaseNetworksOf({ settings }: Engine, { directory }: Container): Promise<void> {
  if (!existsSync(join(directory, 'network.json'))) return;
  const [{ releaseNetworks }, { networkPlaces }] = await Promise.all([
    import('./network-release.ts'),
    import('./network-places.ts'),
  ]);
  await releaseNetworks(networkPlaces(settings), directory);
}

async function finishFree(engine: Engine): Promise<number> {
  let gone = 0;
  for (const each of ContainerStore.sweepDead(engine.settings.dataDir)) {
    using container = each;
    await endClaimed(engine, container);
    if (container.isLitter()) {
      container.remove();
      gone += 1;
    } else {
      container.recordExit(container.unfiledExit() ?? killedExit());
    }
  }
  if (gone > 0) {
    // Loaded only now: every command loads this file.
    const { sweepVolumes } = await import('./sweep-volumes.ts');
    await sweepVolumes(engine.settings.dataDir);
  }
  return gone;
}
