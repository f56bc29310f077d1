/** `enter`: a further process in a running container. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isatty } from 'node:tty';
import type { ContainerListing } from '../container/container-directory.ts';
import { ContainerStore } from '../container/container-store.ts';
import { EngineError, quote } from '../errors.ts';
import { isErrno } from '../host/libc.ts';
import { terminalSize } from '../host/terminal-size.ts';
import type { OperationOptions } from '../progress.ts';
import { openContainerProcess, type RuncContainer } from '../runtime/container-process.ts';
import { execInContainer } from '../runtime/exec.ts';
import { type ExecOptions, execProcess } from '../runtime/exec-process.ts';
import { readHostFacts } from '../runtime/host-facts.ts';
import { findRunc } from '../runtime/runc-program.ts';
import { type Engine, runtimeRoot } from './engine.ts';
import { makeExecDirectory } from './exec-directory.ts';
import { forwardSignals, type SignalSource } from './forward-signals.ts';

/** What `enterContainer` can be told. */
export interface EnterOptions extends ExecOptions {
  /** Give the process our stdin; otherwise it is empty. */
  readonly interactive: boolean;
  /** Return when the process runs; it has no input and no output then. */
  readonly detach: boolean;
}

/** Options of `enterContainer`. */
export interface EnterHooks extends OperationOptions {
  /** Signals that this process receives; once the process in the container runs they go to it. */
  readonly signals: SignalSource;
}

/**
 * Runs a process in the running container that `input` names, on our own stdin, stdout and stderr,
 * and resolves to its exit status (128+n after signal n) when it has ended; with `detach`, to 0 when
 * it runs. A container that is only starting is waited for.
 *
 * The process belongs to the container: it ends with it at the latest. If we are killed it goes on,
 * as with docker; one that has a terminal gets SIGHUP. Nothing of it remains outside the container.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`, `CONTAINER_WRONG_PHASE` when it does not run (any more),
 *   `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`, `USAGE_INVALID`, `RUNTIME_NOT_FOUND`,
 *   `RUNTIME_FAILED`
 */
export async function enterContainer(
  engine: Engine,
  input: string,
  options: EnterOptions & EnterHooks,
): Promise<{ readonly status: number }> {
  const listing = await runningContainer(engine, input, options.signal);
  const container: RuncContainer = {
    runtimeRoot: listing.run?.runtimeRoot ?? runtimeRoot(engine),
    containerId: listing.id,
  };
  try {
    return await enter(engine, { listing, container, options });
  } catch (error) {
    const isGone = isErrno(error, 'ENOENT') || isRuncFailure(error);
    if (!isGone || isRunning(container)) throw error;
    throw notRunning(input, 'has ended', error);
  }
}

interface Entrance {
  readonly listing: ContainerListing;
  readonly container: RuncContainer;
  readonly options: EnterOptions & EnterHooks;
}

async function enter(
  engine: Engine,
  { listing, container, options }: Entrance,
): Promise<{ readonly status: number }> {
  const runcPath = findRunc(engine.settings.runcPath);
  const process = prepareProcess({ listing, container, options });
  using directory = makeExecDirectory(listing.directory);
  options.signal?.throwIfAborted();
  // With a terminal its keys must reach the process: runc has made them mere bytes.
  const hasInput = options.interactive || (options.tty && isatty(0));
  const executed = execInContainer({
    ...container,
    runcPath,
    directory: directory.path,
    process,
    stdin: hasInput ? 'inherit' : 'ignore',
    isDetached: options.detach,
  });
  using _forwarding = forwardSignals(options.signals, executed, {
    stopSignal: SIGTERM,
    stopTimeoutSeconds: undefined,
  });
  return { status: await executed.exited };
}

const SIGTERM = 15;

function prepareProcess({ listing, container, options }: Entrance) {
  using first = openContainerProcess(container);
  if (first === undefined) throw notRunning(listing.id, 'has ended');
  const size = options.tty ? (terminalSize(0) ?? terminalSize(1)) : undefined;
  return execProcess(options, {
    root: first.root,
    configText: readFileSync(join(listing.directory, 'config.json'), 'utf8'),
    host: readHostFacts(),
    ...(size === undefined ? {} : { consoleSize: { height: size.rows, width: size.columns } }),
  });
}

const LOOK_AGAIN_MS = 20;

/** The container, once it runs. */
async function runningContainer(
  { settings }: Engine,
  input: string,
  signal: AbortSignal | undefined,
): Promise<ContainerListing> {
  for (;;) {
    const listing = ContainerStore.find(settings.dataDir, input);
    if (listing.phase === 'running') return listing;
    const isStarting = listing.phase === 'preparing' || listing.phase === 'restarting';
    if (!isStarting) throw notRunning(input, `is ${listing.phase}`);
    await delay(LOOK_AGAIN_MS);
    signal?.throwIfAborted();
  }
}

function isRunning(container: RuncContainer): boolean {
  using first = openContainerProcess(container);
  return first !== undefined;
}

function isRuncFailure(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'RUNTIME_FAILED';
}

function notRunning(input: string, how: string, cause?: unknown): EngineError {
  const isPaused = how === 'is paused';
  return new EngineError(
    'CONTAINER_WRONG_PHASE',
    `the container ${quote(input)} ${how}; a process can only be started in one that runs`,
    {
      hint: isPaused ? `Run "dray unpause ${input}" first.` : 'Run "dray list" to see which run.',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
