/** `run`: from an image to a running container, and back to nothing. */
import { isatty } from 'node:tty';
import { type Container, ContainerStore, type NewContainer } from '../container/container-store.ts';
import { EngineError } from '../errors.ts';
import { isErrno, unsharePrivateMounts } from '../host/libc.ts';
import { unmount } from '../host/mount.ts';
import type { OperationOptions } from '../progress.ts';
import { type PreparedBundle, prepareBundle } from '../runtime/bundle.ts';
import { readHostFacts } from '../runtime/host-facts.ts';
import type { RunOptions } from '../runtime/run-options.ts';
import { type ContainerExit, runContainer as startRunc } from '../runtime/runc.ts';
import { findRunc } from '../runtime/runc-program.ts';
import { startWatch } from '../runtime/supervisor-watch.ts';
import { acquireShared } from '../store/gc-lock.ts';
import { type ImageSummary, touchLastUsed } from '../store/image-summary.ts';
import { claimCidFile } from './cid-file.ts';
import { removeDeadContainers } from './dead-containers.ts';
import { type Engine, runtimeRoot } from './engine.ts';
import { forwardSignals, type SignalSource } from './forward-signals.ts';
import { imageForRun, type RunnableImage } from './image-for-run.ts';
import {
  type ContainerDirectories,
  makeContainerDirectories,
  mountContainer,
} from './mount-container.ts';

/** Options of `runContainer`. */
export interface RunHooks extends OperationOptions {
  /** Signals that this process receives; once the container runs they go to it. */
  readonly signals: SignalSource;
}

/** How the run ended. */
export interface RunResult {
  /** The container's own exit status, or 128+n after signal n. */
  readonly status: number;
}

/**
 * Runs one container and stays its parent until it ends. stdin, stdout and stderr are this
 * process's own descriptors, handed on.
 *
 * The process moves into a private mount namespace and does not come back: it can run one container
 * and nothing else. Afterwards nothing of the container is left but, without `removeOnExit`, its
 * directory. If this process is killed, the container is ended within a second, and `image gc`
 * removes the rest.
 *
 * @throws EngineError of almost every code; the container's process has then never run
 */
export async function runContainer(
  engine: Engine,
  options: RunOptions,
  hooks: RunHooks,
): Promise<RunResult> {
  const runcPath = findRunc(engine.settings.runcPath);
  using cidFile = claimCidFile(options.cidFile);
  const image = await imageForRun(engine, { ...options, ...hooks });
  using prepared = await prepareContainer(engine, { options, hooks, image });
  hooks.signal?.throwIfAborted();
  cidFile?.write(prepared.container.id);
  const exit = await supervise(engine, { options, hooks, prepared, runcPath });
  if (exit.failure !== undefined) throw exit.failure;
  prepared.keepUnlessRemoved(exit);
  return { status: exit.status };
}

interface RunRequest {
  readonly options: RunOptions;
  readonly hooks: RunHooks;
}

/** A container that is mounted and has its bundle. Disposing unmounts, removes, and lets go. */
interface PreparedContainer extends Disposable {
  readonly container: Container;
  readonly bundle: PreparedBundle;
  /** Records how it ended, and keeps it if it was not to be removed. */
  keepUnlessRemoved(exit: ContainerExit): void;
}

async function prepareContainer(
  engine: Engine,
  { options, hooks, image }: RunRequest & { readonly image: RunnableImage },
): Promise<PreparedContainer> {
  using release = new DisposableStack();
  const container = release.use(await createContainer(engine, { options, hooks, image }));
  let isKept = false;
  release.defer(() => {
    if (!isKept) container.remove();
  });
  const directories = makeContainerDirectories(container.directory);
  unsharePrivateMounts();
  release.defer(() => unmountAll(directories));
  await mountImage(engine, image.summary, { directories, options, hooks });
  touchLastUsed(engine.settings.dataDir, image.summary.imageId);
  const { architecture, ...config } = image.summary.config;
  const bundle = await explainingDamage(image.summary, () =>
    prepareBundle({
      options,
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
  const cleanUp = release.move();
  return {
    container,
    bundle,
    keepUnlessRemoved: (exit) => {
      if (options.removeOnExit) return;
      container.recordExit({ status: exit.status, finishedAt: new Date() });
      isKept = true;
    },
    [Symbol.dispose]: () => cleanUp.dispose(),
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

/**
 * The container is made under the shared gc lock: a collection either sees it or has ended before,
 * and then the image's files are looked for afterwards.
 */
async function createContainer(
  engine: Engine,
  request: RunRequest & { readonly image: RunnableImage },
): Promise<Container> {
  const { options, image, hooks } = request;
  const { dataDir } = engine.settings;
  const { summary, reference } = image;
  using _shared = await acquireShared(dataDir, waiting(hooks));
  const container: NewContainer = {
    ...(options.name === undefined ? {} : { name: options.name }),
    imageId: summary.imageId,
    chainId: summary.chainId,
    diffIds: summary.devices,
    ...(reference === undefined ? {} : { reference }),
    command: commandOf(options, summary.config),
    removeOnExit: options.removeOnExit,
  };
  try {
    return ContainerStore.create(dataDir, container);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'CONTAINER_NAME_IN_USE') throw error;
    // Its holder may be the rest of a run that was killed.
    if ((await removeDeadContainers(engine)) === 0) throw error;
    return ContainerStore.create(dataDir, container);
  }
}

/** Derived files that are gone are made again, once. */
async function mountImage(
  engine: Engine,
  summary: ImageSummary,
  { directories, options, hooks }: RunRequest & { readonly directories: ContainerDirectories },
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

/** Only shown; what is run is decided by the bundle. */
function commandOf(
  { entrypoint, command }: RunOptions,
  image: { readonly Entrypoint?: readonly string[]; readonly Cmd?: readonly string[] },
): string[] {
  const own = command.length > 0 || entrypoint !== undefined ? command : (image.Cmd ?? []);
  return [...(entrypoint ?? image.Entrypoint ?? []), ...own];
}

/** Waits for the container's end; from here on it, not this process, is the one to be interrupted. */
async function supervise(
  engine: Engine,
  {
    options,
    hooks,
    prepared,
    runcPath,
  }: RunRequest & { readonly prepared: PreparedContainer; readonly runcPath: string },
): Promise<ContainerExit> {
  const { container, bundle } = prepared;
  const target = { runcPath, runtimeRoot: runtimeRoot(engine), containerId: container.id };
  const { cgroupsPath } = bundle.config.linux;
  const cgroups = cgroupsPath === undefined ? {} : { cgroupsPath };
  using watch = startWatch({ ...target, ...cgroups });
  const running = startRunc({
    ...target,
    bundleDir: container.directory,
    // With a terminal its keys must reach the container: runc has made them mere bytes.
    stdin: options.interactive || (options.tty && isatty(0)) ? 'inherit' : 'ignore',
    tty: options.tty,
    uid: bundle.config.process.user.uid,
    ...cgroups,
  });
  watch.runcStarted(running.pid);
  using _forwarding = forwardSignals(hooks.signals, running, {
    stopSignal: bundle.stopSignal,
    stopTimeoutSeconds: options.stopTimeoutSeconds,
  });
  return await running.exited;
}

function unmountAll({ mountPoint, lowerMountPoint }: ContainerDirectories): void {
  for (const directory of [mountPoint, lowerMountPoint]) {
    try {
      unmount(directory, { detach: true });
    } catch (error) {
      // EINVAL: nothing is mounted there, as with the directory back-end or after a failure.
      if (!isErrno(error, 'EINVAL')) throw error;
    }
  }
}

function waiting({ signal }: OperationOptions) {
  return signal === undefined ? {} : { signal };
}
