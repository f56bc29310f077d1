/** Everything between a container's directory and the start of its process. */
import type { Container } from '../container/container-store.ts';
import { EngineError } from '../errors.ts';
import { isErrno, unsharePrivateMounts } from '../host/libc.ts';
import type { OperationOptions } from '../progress.ts';
import { type PreparedBundle, prepareBundle } from '../runtime/bundle.ts';
import { readHostFacts } from '../runtime/host-facts.ts';
import type { RunOptions } from '../runtime/run-options.ts';
import { type ImageSummary, touchLastUsed } from '../store/image-summary.ts';
import type { Engine } from './engine.ts';
import {
  type ContainerDirectories,
  makeContainerDirectories,
  mountContainer,
} from './mount-container.ts';

/** What a container is prepared from. */
export interface PrepareRequest extends OperationOptions {
  readonly container: Container;
  readonly options: RunOptions;
  readonly summary: ImageSummary;
}

/**
 * Moves this process into a private mount namespace, mounts the container's root there, and writes
 * its bundle. The mounts end with the last process of that namespace; `unmountContainer` ends them
 * sooner. Works for a new container and for one that ran before.
 *
 * @throws EngineError of almost every code; mounts may be left, in the namespace
 */
export async function prepareContainer(
  engine: Engine,
  { container, options, summary, ...hooks }: PrepareRequest,
): Promise<PreparedBundle> {
  const directories = makeContainerDirectories(container.directory);
  unsharePrivateMounts();
  await mountImage(engine, summary, { container, options, ...hooks, directories });
  touchLastUsed(engine.settings.dataDir, summary.imageId);
  const { architecture, ...config } = summary.config;
  const bundle = await explainingDamage(summary, () =>
    prepareBundle({
      options: withNotifySocket(options, container.directory),
      image: { architecture, config },
      containerId: container.id,
      bundleDir: container.directory,
      provideVolumes: async (wanted) => {
        const { provideVolumes } = await import('./provide-volumes.ts');
        const { dataDir } = engine.settings;
        return await provideVolumes(wanted, { container, dataDir, ...waiting(hooks) });
      },
      host: readHostFacts(),
    }),
  );
  for (const message of bundle.warnings) hooks.onProgress?.({ type: 'warning', message });
  return bundle;
}

/** Where the container finds the socket on which it says that it is ready. */
const NOTIFY_PLACE = '/run/notify';

/** A container that tells a service manager when it is ready gets a socket, and its name. */
function withNotifySocket(options: RunOptions, containerDir: string): RunOptions {
  if (options.notify?.by !== 'container') return options;
  const mount = {
    type: 'bind',
    source: `${containerDir}/notify`,
    destination: NOTIFY_PLACE,
    readOnly: true,
    createSource: true,
    recursive: false,
    propagation: 'rprivate',
  } as const;
  const variable = { name: 'NOTIFY_SOCKET', value: `${NOTIFY_PLACE}/notify.sock` };
  return {
    ...options,
    mounts: [...options.mounts, mount],
    environment: [...options.environment, variable],
  };
}

/** What the kernel says when the files of an image are mounted and not what they were. */
async function explainingDamage<T>(summary: ImageSummary, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isErrno(error, 'EIO') && !isErrno(error, 'EUCLEAN')) throw error;
    const imageId = summary.imageId.replace(':', '-');
    throw new EngineError('STORE_CORRUPT', `the files of the image "${imageId}" are damaged`, {
      hint: `Run "dray image verify ${imageId}", which makes them again.`,
      cause: error,
    });
  }
}

/** Derived files that are gone are made again, once. */
async function mountImage(
  engine: Engine,
  summary: ImageSummary,
  {
    directories,
    options,
    container: _container,
    ...hooks
  }: Omit<PrepareRequest, 'summary'> & {
    readonly directories: ContainerDirectories;
  },
): Promise<void> {
  const plan = { directories, volatile: options.removeOnExit };
  try {
    await mountContainer(engine, summary, plan);
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'EINVAL')) throw error;
    // EINVAL: the kernel does not take the metadata image for one. It is made again, too.
    const { restoreImage } = await import('./restore-image.ts');
    await restoreImage(engine.settings.dataDir, summary, hooks);
    await mountContainer(engine, summary, plan);
  }
}

function waiting({ signal }: OperationOptions) {
  return signal === undefined ? {} : { signal };
}
