/** `rm`: containers that ended and were kept. */
import { ContainerStore } from '../container/container-store.ts';
import { EngineError, quote } from '../errors.ts';
import { deleteContainer } from '../runtime/runc-delete.ts';
import { findRunc } from '../runtime/runc-program.ts';
import { type Engine, runtimeRoot } from './engine.ts';
import { keepOwnedVolumes } from './release-volumes.ts';
import { sweepVolumes } from './sweep-volumes.ts';

/** An input that removed nothing. */
export interface ContainerRemovalFailure {
  readonly input: string;
  readonly error: EngineError;
}

/** What `removeContainers` did. */
export interface ContainerRemoval {
  /** Ids of the containers that are gone. */
  readonly removed: readonly string[];
  readonly failures: readonly ContainerRemovalFailure[];
}

/** What goes with the containers. */
export interface RemoveContainersOptions {
  /** Their anonymous volumes, too. */
  readonly volumes?: boolean;
}

/**
 * Removes containers by name, id, or unique beginning of an id. One whose dray lives is a failure
 * (`CONTAINER_WRONG_PHASE`), as is an input that names none (`CONTAINER_NOT_FOUND`); neither hinders
 * the others. Killed in the middle, it leaves what `image gc` removes.
 */
export async function removeContainers(
  engine: Engine,
  inputs: readonly string[],
  options: RemoveContainersOptions = {},
): Promise<ContainerRemoval> {
  const removed: string[] = [];
  const failures: ContainerRemovalFailure[] = [];
  for (const input of inputs) {
    try {
      removed.push(await removeContainer(engine, input, options));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      failures.push({ input, error });
    }
  }
  return { removed, failures };
}

async function removeContainer(
  engine: Engine,
  input: string,
  { volumes = false }: RemoveContainersOptions,
): Promise<string> {
  const { dataDir, runcPath } = engine.settings;
  const { id } = ContainerStore.find(dataDir, input);
  using container = ContainerStore.claim(dataDir, id);
  if (container === undefined) {
    throw new EngineError('CONTAINER_WRONG_PHASE', `the container ${quote(input)} is running`, {
      hint: 'End the dray that runs it first: it passes SIGTERM on.',
    });
  }
  const runc = { runcPath: findRunc(runcPath), runtimeRoot: runtimeRoot(engine) };
  await deleteContainer(runc, id);
  if (!volumes) await keepOwnedVolumes(dataDir, id);
  container.remove();
  if (volumes) await sweepVolumes(dataDir);
  return id;
}
