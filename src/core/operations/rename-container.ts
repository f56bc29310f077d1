/** `rename`. */
import { renameContainer as rename } from '../container/container-names.ts';
import { ContainerStore } from '../container/container-store.ts';
import type { Engine } from './engine.ts';

/**
 * Gives a container another name, also while it runs.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`, `CONTAINER_NAME_IN_USE`, `USAGE_INVALID`
 */
export async function renameContainer(
  engine: Engine,
  input: string,
  newName: string,
): Promise<void> {
  const { dataDir } = engine.settings;
  const { id } = ContainerStore.find(dataDir, input);
  await rename(dataDir, id, newName);
}
