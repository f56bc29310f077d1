/** Making a container: its directory, its record and its name. */
import { type Container, ContainerStore, type NewContainer } from '../container/container-store.ts';
import { EngineError } from '../errors.ts';
import type { OperationOptions } from '../progress.ts';
import type { RunOptions } from '../runtime/run-options.ts';
import { encodeRunOptions } from '../runtime/run-options-json.ts';
import { acquireShared } from '../store/gc-lock.ts';
import type { Engine } from './engine.ts';
import type { RunnableImage } from './image-for-run.ts';

/** What a container is made from. */
export interface CreateRequest extends OperationOptions {
  readonly options: RunOptions;
  readonly image: RunnableImage;
}

/**
 * Makes and locks a container. It is made under the shared gc lock: a collection either sees it or
 * has ended before, and then the image's files are looked for afterwards.
 *
 * @throws EngineError `USAGE_INVALID` for the name, `CONTAINER_NAME_IN_USE`; SystemCallError
 */
export async function createContainer(engine: Engine, request: CreateRequest): Promise<Container> {
  const { options, image, signal } = request;
  const { dataDir } = engine.settings;
  const { summary, reference } = image;
  const container: NewContainer = {
    ...(options.name === undefined ? {} : { name: options.name }),
    imageId: summary.imageId,
    chainId: summary.chainId,
    diffIds: summary.devices,
    ...(reference === undefined ? {} : { reference }),
    command: commandOf(options, summary.config),
    removeOnExit: options.removeOnExit,
    labels: { ...summary.config.Labels, ...Object.fromEntries(options.labels) },
    options: encodeRunOptions(options),
  };
  const make = async (): Promise<Container> => {
    using _shared = await acquireShared(dataDir, signal === undefined ? {} : { signal });
    return ContainerStore.create(dataDir, container);
  };
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'CONTAINER_NAME_IN_USE') throw error;
    const { freeName } = await import('./free-name.ts');
    return await freeName(engine, request, { error, make });
  }
}

/** Only shown; what is run is decided by the bundle. */
function commandOf(
  { entrypoint, command }: RunOptions,
  image: { readonly Entrypoint?: readonly string[]; readonly Cmd?: readonly string[] },
): string[] {
  const own = command.length > 0 || entrypoint !== undefined ? command : (image.Cmd ?? []);
  return [...(entrypoint ?? image.Entrypoint ?? []), ...own];
}
