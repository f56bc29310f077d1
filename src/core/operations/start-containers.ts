/** `create`, `run -d`, `start` and `restart`. */
import { type Container, ContainerStore } from '../container/container-store.ts';
import { EngineError, quote } from '../errors.ts';
import { unsharePrivateMounts } from '../host/libc.ts';
import type { RunOptions } from '../runtime/run-options.ts';
import { decodeRunOptions } from '../runtime/run-options-json.ts';
import { findRunc } from '../runtime/runc-program.ts';
import { type ImageSummary, readSummary } from '../store/image-summary.ts';
import { claimCidFile, saveContainerId } from './cid-file.ts';
import { createContainer } from './create-container.ts';
import { endClaimed } from './dead-containers.ts';
import type { Engine } from './engine.ts';
import { type ContainerOutcome, eachInTurn } from './for-each-container.ts';
import { type RunHooks, runInForeground } from './foreground.ts';
import { imageForRun } from './image-for-run.ts';
import { makeContainerDirectories } from './mount-container.ts';
import { startDetached } from './start-supervisor.ts';
import { type StopOptions, stopContainers } from './stop-containers.ts';
import { unmountContainer } from './unmount-container.ts';

type DetachedHooks = Omit<RunHooks, 'signals'>;

/**
 * `create` and `prepare`: makes a container that waits for its start, and returns its id. Nothing of
 * it is mounted or runs; its named volumes are there and in use.
 *
 * @throws EngineError of almost every code; then there is no container
 */
export async function createWaiting(
  engine: Engine,
  options: RunOptions,
  hooks: DetachedHooks,
): Promise<string> {
  using cidFile = claimCidFile(options.cidFile);
  const image = await imageForRun(engine, { ...options, ...hooks });
  using container = await createContainer(engine, { options, image, ...hooks });
  saveContainerId(options.uuidFile, container.id);
  makeContainerDirectories(container.directory);
  if (options.mounts.some(({ type }) => type === 'volume')) {
    const { reserveVolumes } = await import('./reserve-volumes.ts');
    const waiting = hooks.signal === undefined ? {} : { signal: hooks.signal };
    const { dataDir } = engine.settings;
    await reserveVolumes(options.mounts, { container, dataDir, ...waiting });
  }
  container.keepUntilStarted();
  cidFile?.write(container.id);
  return container.id;
}

/**
 * `run -d`: starts a container under a supervisor of its own and returns its id when it runs. It does
 * not depend on this process any more.
 *
 * @throws EngineError of almost every code; the container's process has then never run, and there is
 * no container
 */
export async function runDetachedContainer(
  engine: Engine,
  options: RunOptions,
  hooks: DetachedHooks,
): Promise<string> {
  findRunc(engine.settings.runcPath);
  using cidFile = claimCidFile(options.cidFile);
  const image = await imageForRun(engine, { ...options, ...hooks });
  const container = await createContainer(engine, { options, image, ...hooks });
  using release = new DisposableStack();
  release.defer(() => {
    container.remove();
    container[Symbol.dispose]();
  });
  saveContainerId(options.uuidFile, container.id);
  const onReady = (): void => {
    cidFile?.write(container.id);
  };
  const { summary } = image;
  await startDetached(engine, { container, options, summary, isNew: true, onReady }, hooks, () => {
    release.move();
  });
  return container.id;
}

/**
 * `start`: starts containers that were made by `create`, or that have ended, one after the other.
 * One that runs already is left alone; one that cannot be started is as it was.
 */
export async function startContainers(
  engine: Engine,
  inputs: readonly string[],
  hooks: DetachedHooks,
): Promise<ContainerOutcome<void>> {
  return await eachInTurn(inputs, async (input) => {
    const { phase } = ContainerStore.find(engine.settings.dataDir, input);
    if (phase === 'running' || phase === 'restarting' || phase === 'preparing') return;
    await startOne(engine, input, hooks);
  });
}

/** What `restart` is told. */
export type RestartOptions = DetachedHooks & Pick<StopOptions, 'timeoutSeconds'>;

/** `restart`: stops containers that run, and starts them again. */
export async function restartContainers(
  engine: Engine,
  inputs: readonly string[],
  options: RestartOptions,
): Promise<ContainerOutcome<void>> {
  return await eachInTurn(inputs, async (input) => {
    const { failures } = await stopContainers(engine, [input], options);
    for (const { error } of failures) throw error;
    await startOne(engine, input, options);
  });
}

async function startOne(engine: Engine, input: string, hooks: DetachedHooks): Promise<void> {
  const waiting = await takeWaiting(engine, input);
  const { directory } = waiting.container;
  using release = new DisposableStack();
  release.use(waiting.container);
  await startDetached(engine, { ...waiting, isNew: false }, hooks, () => void release.move());
  // The supervisor lives in our mount namespace. The next container must not see this one's mounts.
  unsharePrivateMounts();
  unmountContainer(directory);
}

/**
 * `start --attach` and `run-prepared`: the same, but this process is the supervisor, on its own
 * descriptors; resolves with the container's exit status.
 *
 * @throws EngineError of almost every code; the container's process has then never run
 */
export async function startAttached(
  engine: Engine,
  input: string,
  { interactive, ...hooks }: RunHooks & { readonly interactive: boolean },
): Promise<number> {
  const { container: taken, options, summary } = await takeWaiting(engine, input);
  using container = taken;
  const run = { container, options: { ...options, interactive }, summary };
  const exit = await runInForeground(engine, run, hooks);
  if (exit.failure !== undefined) throw exit.failure;
  if (options.removeOnExit) container.remove();
  return exit.status;
}

interface WaitingContainer {
  readonly container: Container;
  readonly options: RunOptions;
  readonly summary: ImageSummary;
}

/** Locks a container that does not run and takes it back to where it was before its first start. */
async function takeWaiting(engine: Engine, input: string): Promise<WaitingContainer> {
  const { dataDir } = engine.settings;
  const { id, phase } = ContainerStore.find(dataDir, input);
  const container = ContainerStore.claim(dataDir, id);
  if (container === undefined) throw notStartable(input, phase);
  try {
    await endClaimed(engine, container);
    const { record } = container;
    if (record === undefined) throw notStartable(input, 'damaged');
    const options = decodeRunOptions(record.options);
    const summary = await summaryOf(engine, record.imageId);
    container.forgetLastRun();
    return { container, options, summary };
  } catch (error) {
    container[Symbol.dispose]();
    throw error;
  }
}

/** The image of a container is never collected, but what is derived of it may be damaged. */
async function summaryOf(engine: Engine, imageId: ImageSummary['imageId']): Promise<ImageSummary> {
  const { dataDir } = engine.settings;
  try {
    return readSummary(dataDir, imageId);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'STORE_CORRUPT') throw error;
    const record = engine.store.readReferences().find((each) => each.imageId === imageId);
    if (record === undefined) throw error;
    const { restoreImage } = await import('./restore-image.ts');
    await restoreImage(dataDir, record, {});
    return readSummary(dataDir, imageId);
  }
}

function notStartable(input: string, phase: string): EngineError {
  return new EngineError(
    'CONTAINER_WRONG_PHASE',
    `the container ${quote(input)} cannot be started: it is ${phase}`,
    { hint: `See "dray status ${input}".` },
  );
}
