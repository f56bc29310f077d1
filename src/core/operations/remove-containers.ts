/** `rm`: containers that ended, or with force any. */
import { existsSync } from 'node:fs';
import { containerDir } from '../container/container-paths.ts';
import { ContainerStore } from '../container/container-store.ts';
import { EngineError, quote } from '../errors.ts';
import { endClaimed } from './dead-containers.ts';
import type { Engine } from './engine.ts';
import { keepOwnedVolumes } from './release-volumes.ts';
import { killAndWait } from './stop-containers.ts';
import { sweepVolumes } from './sweep-volumes.ts';

/** An input that removed nothing. */
export interface ContainerRemovalFailure {
  readonly input: string;
  readonly error: EngineError;
}

/** What `removeContainers` did. */
export interface ContainerRemoval {
  /** Inputs whose containers are gone. */
  readonly removed: readonly string[];
  readonly failures: readonly ContainerRemovalFailure[];
}

/** How containers are removed. */
export interface RemoveContainersOptions {
  /** Their anonymous volumes go, too. */
  readonly volumes?: boolean;
  /** Those that run are killed first. */
  readonly isForced?: boolean;
}

/**
 * Removes containers by name, id, or unique beginning of an id. One that runs is a failure
 * (`CONTAINER_WRONG_PHASE`) unless forced, as is an input that names none (`CONTAINER_NOT_FOUND`);
 * neither hinders the others. Killed in the middle, it leaves what the next command removes.
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
      await removeContainer(engine, input, options);
      removed.push(input);
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
  { volumes = false, isForced = false }: RemoveContainersOptions,
): Promise<void> {
  const { dataDir } = engine.settings;
  const { id, phase } = ContainerStore.find(dataDir, input);
  if (phase !== 'exited' && phase !== 'created' && phase !== 'removing') {
    if (!isForced) throw stillRuns(input, phase);
    await killAndWait(engine, id);
  }
  using container = ContainerStore.claim(dataDir, id);
  if (container === undefined) {
    // Its supervisor has removed it, as it was told to.
    if (!existsSync(containerDir(dataDir, id))) return;
    throw stillRuns(input, 'in use');
  }
  await endClaimed(engine, container);
  if (!volumes) await keepOwnedVolumes(dataDir, id);
  container.remove();
  if (volumes) await sweepVolumes(dataDir);
}

function stillRuns(input: string, phase: string): EngineError {
  return new EngineError('CONTAINER_WRONG_PHASE', `the container ${quote(input)} is ${phase}`, {
    hint: `Stop it with "dray stop ${input}", or remove it with "dray rm --force ${input}".`,
  });
}
