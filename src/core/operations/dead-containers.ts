/** Containers whose dray was killed. */
import { ContainerStore } from '../container/container-store.ts';
import { deleteContainer } from '../runtime/runc-delete.ts';
import { findRunc } from '../runtime/runc-program.ts';
import { type Engine, runtimeRoot } from './engine.ts';

/**
 * Removes containers whose dray is gone and that were to go when they ended, or never started,
 * with their own volumes; returns how many. Idempotent, and safe beside anything.
 *
 * @throws EngineError `RUNTIME_NOT_FOUND`, `RUNTIME_FAILED`
 */
export async function removeDeadContainers(engine: Engine): Promise<number> {
  const dead = ContainerStore.sweepDead(engine.settings.dataDir);
  if (dead.length === 0) return 0;
  const runc = { runcPath: findRunc(engine.settings.runcPath), runtimeRoot: runtimeRoot(engine) };
  for (const each of dead) {
    using container = each;
    // The watch has ended it already, unless the watch was killed, too.
    await deleteContainer(runc, container.id);
    container.remove();
  }
  // Loaded only now: `run` loads this file.
  const { sweepVolumes } = await import('./sweep-volumes.ts');
  await sweepVolumes(engine.settings.dataDir);
  return dead.length;
}
