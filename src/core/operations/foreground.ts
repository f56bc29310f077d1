/** A container whose supervisor is this process, on this process's own descriptors. */
import { isatty } from 'node:tty';
import { type Container, ContainerStore } from '../container/container-store.ts';
import type { OperationOptions } from '../progress.ts';
import type { RunOptions } from '../runtime/run-options.ts';
import type { ContainerExit } from '../runtime/runc.ts';
import { findRunc } from '../runtime/runc-program.ts';
import type { ImageSummary } from '../store/image-summary.ts';
import { type Engine, runtimeRoot } from './engine.ts';
import type { SignalSource } from './forward-signals.ts';
import { networkOf } from './network-of-run.ts';
import { prepareContainer } from './prepare-container.ts';
import { settleExit } from './settle-exit.ts';
import { factsOf, type SupervisePlan, superviseRun } from './supervise.ts';
import { unmountContainer } from './unmount-container.ts';

/** A container that this process has locked, and what it is made of. */
export interface ForegroundRun {
  readonly container: Container;
  readonly options: RunOptions;
  readonly summary: ImageSummary;
  /** Called when everything is ready and nothing can be cancelled any more. */
  readonly onReady?: () => void;
}

/** Options of an operation that stays the parent of a container. */
export interface RunHooks extends OperationOptions {
  /** Signals that this process receives; once the container runs they go to it. */
  readonly signals: SignalSource;
}

/**
 * Mounts, prepares, runs and waits. The end is written down for those who ask; nothing is mounted
 * afterwards. When the container's process was never started, that is a `failure` of the result, or
 * an error, and nothing is written down.
 *
 * @throws EngineError of almost every code
 */
export async function runInForeground(
  engine: Engine,
  { container, options, summary, onReady }: ForegroundRun,
  hooks: RunHooks,
): Promise<ContainerExit> {
  const runcPath = findRunc(engine.settings.runcPath);
  using release = new DisposableStack();
  release.defer(() => unmountContainer(container.directory));
  const bundle = await prepareContainer(engine, { container, options, summary, ...hooks });
  hooks.signal?.throwIfAborted();
  onReady?.();
  const plan: SupervisePlan = {
    container,
    facts: factsOf(bundle, options),
    ...(await networkOf(engine, { id: container.id, bundle, options, summary })),
    runc: {
      runcPath,
      runtimeRoot: runtimeRoot(engine),
      // With a terminal its keys must reach the container: runc has made them mere bytes.
      stdin: options.interactive || (options.tty && isatty(0)) ? 'inherit' : 'ignore',
    },
    signals: hooks.signals,
    isDetached: false,
    restartCount: 0,
    onStarted: () => sweepSoon(engine),
  };
  const exit = await superviseWith(plan, { options, summary });
  if (exit.failure === undefined) settleExit(container, exit);
  return exit;
}

async function superviseWith(
  plan: SupervisePlan,
  { options, summary }: Pick<ForegroundRun, 'options' | 'summary'>,
): Promise<ContainerExit> {
  const { restart, health, notify } = options;
  const isAttended = health !== undefined || notify !== undefined;
  if (restart === undefined && !isAttended && summary.config.Healthcheck === undefined) {
    return await superviseRun(plan);
  }
  const [{ superviseAttended }, { resolveHealthCheck }] = await Promise.all([
    import('./supervise-attended.ts'),
    import('../runtime/health-check.ts'),
  ]);
  const check = resolveHealthCheck(health, summary.config);
  return await superviseAttended(plan, {
    ...(restart === undefined ? {} : { restart }),
    ...(check === undefined ? {} : { check }),
    ...(notify === undefined ? {} : { notify }),
  });
}

/** What dead containers have left is removed while this one runs, so that no start waits for it. */
function sweepSoon(engine: Engine): void {
  setImmediate(() => {
    // Nothing that is wrong with another container may end this one.
    sweepIfNeeded(engine).catch(() => {});
  });
}

async function sweepIfNeeded(engine: Engine): Promise<void> {
  // What sweeping needs is loaded only when there is something to sweep.
  if (!ContainerStore.hasDead(engine.settings.dataDir)) return;
  const { sweepQuietly } = await import('./dead-containers.ts');
  await sweepQuietly(engine, { waits: false });
}
