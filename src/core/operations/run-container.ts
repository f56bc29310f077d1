/** `run`: from an image to a running container, and back to nothing. */
import { join } from 'node:path';
import { type Container, ContainerStore } from '../container/container-store.ts';
import { unmount } from '../host/mount.ts';
import type { OperationOptions } from '../progress.ts';
import { prepareBundle } from '../runtime/bundle.ts';
import { readHostFacts } from '../runtime/host-facts.ts';
import type { RunOptions } from '../runtime/run-options.ts';
import { findRunc, type RunningContainer, runContainer as startRunc } from '../runtime/runc.ts';
import { startWatch } from '../runtime/supervisor-watch.ts';
import { acquireShared } from '../store/gc-lock.ts';
import { touchLastUsed } from '../store/image-summary.ts';
import { volumesDir } from '../store/store-paths.ts';
import type { Engine } from './engine.ts';
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
  /** The container's exit status, 128+n after signal n, 125 to 127 when it did not start. */
  readonly status: number;
}

/**
 * Runs one container and stays its parent until it ends. stdin, stdout and stderr are this
 * process's own descriptors, handed on.
 *
 * The process moves into a private mount namespace and does not come back: it can run one container
 * and nothing else. Afterwards nothing of the container is left but, without `removeOnExit`, its
 * directory. If this process is killed, the container is ended within a second and the next command
 * removes the rest.
 *
 * @throws EngineError of almost every code; the container has then not been started
 */
export async function runContainer(
  engine: Engine,
  options: RunOptions,
  hooks: RunHooks,
): Promise<RunResult> {
  const runcPath = findRunc(engine.settings.runcPath);
  const image = await imageForRun(engine, { ...options, ...hooks });
  hooks.signal?.throwIfAborted();
  const container = createContainer(engine, options, image);
  let isRemovable = true;
  try {
    const directories = await mountImage(engine, options, { image, container });
    const running = start(engine, { options, hooks, image, container, runcPath });
    // From here on the container's end is recorded before anything else happens to it.
    const exit = await running.exited;
    isRemovable = options.removeOnExit || !exit.isStarted;
    if (!isRemovable) container.recordExit({ status: exit.status, finishedAt: new Date() });
    for (const directory of [directories.mountPoint, directories.lowerMountPoint]) {
      unmount(directory, { detach: true });
    }
    return { status: exit.status };
  } finally {
    if (isRemovable) container.remove();
    container[Symbol.dispose]();
  }
}
