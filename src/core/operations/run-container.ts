/** `run` in the foreground: from an image to a running container, and back to nothing. */
import type { RunOptions } from '../runtime/run-options.ts';
import { findRunc } from '../runtime/runc-program.ts';
import { claimCidFile, saveContainerId } from './cid-file.ts';
import { createContainer } from './create-container.ts';
import type { Engine } from './engine.ts';
import { type RunHooks, runInForeground } from './foreground.ts';
import { imageForRun } from './image-for-run.ts';

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
 * directory. If this process is killed, the container is ended within a second, and the next command
 * removes the rest.
 *
 * @throws EngineError of almost every code; the container's process has then never run
 */
export async function runContainer(
  engine: Engine,
  options: RunOptions,
  hooks: RunHooks,
): Promise<RunResult> {
  findRunc(engine.settings.runcPath);
  using cidFile = claimCidFile(options.cidFile);
  const image = await imageForRun(engine, { ...options, ...hooks });
  using container = await createContainer(engine, { options, image, ...hooks });
  using release = new DisposableStack();
  let isKept = false;
  release.defer(() => {
    if (!isKept) container.remove();
  });
  saveContainerId(options.uuidFile, container.id);
  const { summary } = image;
  const onReady = (): void => cidFile?.write(container.id);
  const exit = await runInForeground(engine, { container, options, summary, onReady }, hooks);
  if (exit.failure !== undefined) throw exit.failure;
  isKept = !options.removeOnExit;
  return { status: exit.status };
}
