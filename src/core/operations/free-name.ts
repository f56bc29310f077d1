/** A name that is in use: by what is left of a dead container, or by one that is to be replaced. */
import type { Container } from '../container/container-store.ts';
import { EngineError } from '../errors.ts';
import type { CreateRequest } from './create-container.ts';
import { removeDeadContainers } from './dead-containers.ts';
import type { Engine } from './engine.ts';
import { removeContainers } from './remove-containers.ts';

const REPLACE_ATTEMPTS = 5;

/** What was tried, and how to try it again. */
export interface NameConflict {
  readonly error: EngineError;
  make(): Promise<Container>;
}

/**
 * Makes the container after all: the remains of a run that was killed are removed, and with
 * `replacesNamed` whoever has the name is, running or not.
 *
 * @throws EngineError `CONTAINER_NAME_IN_USE`, and those of `removeContainers`
 */
export async function freeName(
  engine: Engine,
  { options }: CreateRequest,
  { error, make }: NameConflict,
): Promise<Container> {
  const { name, replacesNamed } = options;
  if (replacesNamed !== true || name === undefined) {
    if ((await removeDeadContainers(engine)) === 0) throw error;
    return await make();
  }
  for (let attempt = 1; ; attempt += 1) {
    const { failures } = await removeContainers(engine, [name], { isForced: true });
    const failure = failures.find((each) => each.error.code !== 'CONTAINER_NOT_FOUND');
    if (failure !== undefined) throw failure.error;
    try {
      return await make();
    } catch (again) {
      // Somebody else was faster, and is replaced in turn.
      const isTaken = again instanceof EngineError && again.code === 'CONTAINER_NAME_IN_USE';
      if (!isTaken || attempt === REPLACE_ATTEMPTS) throw again;
    }
  }
}
