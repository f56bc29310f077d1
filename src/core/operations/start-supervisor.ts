/** Handing a prepared container over to a supervisor that outlives this process. */

import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Container } from '../container/container-store.ts';
import { EngineError } from '../errors.ts';
import { spawnAttached } from '../host/process.ts';
import { resolveHealthCheck } from '../runtime/health-check.ts';
import type { RunOptions } from '../runtime/run-options.ts';
import { findRunc, RUNC_ENVIRONMENT } from '../runtime/runc-program.ts';
import type { ImageSummary } from '../store/image-summary.ts';
import { type Engine, runtimeRoot } from './engine.ts';
import type { RunHooks } from './foreground.ts';
import { networkOf } from './network-of-run.ts';
import { prepareContainer } from './prepare-container.ts';
import { factsOf } from './supervise.ts';
import {
  checkReport,
  encodeSupervisorRequest,
  REPORT_FD,
  type SupervisorRequest,
} from './supervisor-request.ts';
import { unmountContainer } from './unmount-container.ts';

/** A container that this process has locked, and what it is made of. */
export interface DetachedRun {
  readonly container: Container;
  readonly options: RunOptions;
  readonly summary: ImageSummary;
  /** Whether it has just been made, and goes when its process cannot be started. */
  readonly isNew: boolean;
  /** Called when everything is ready and nothing can be cancelled any more. */
  readonly onReady?: () => void;
}

/**
 * Mounts and prepares the container, and starts a process in a session of its own that supervises it
 * from then on: it has the container's lock and lives in the mount namespace that this process has
 * made for it. Resolves when the container's process runs.
 *
 * @param onHandedOver called when the container is no longer this process's, also when it then cannot
 * be started: what is left of it is the supervisor's to remove
 * @throws EngineError of almost every code; the container's process has then never run
 */
export async function startDetached(
  engine: Engine,
  { container, options, summary, isNew, onReady }: DetachedRun,
  hooks: Omit<RunHooks, 'signals'>,
  onHandedOver: () => void,
): Promise<void> {
  const { dataDir, runcPath, supervisor } = engine.settings;
  if (supervisor === undefined) {
    throw new EngineError('HOST_UNSUPPORTED', 'this dray has no program for supervisors');
  }
  using release = new DisposableStack();
  release.defer(() => unmountContainer(container.directory));
  const bundle = await prepareContainer(engine, { container, options, summary, ...hooks });
  hooks.signal?.throwIfAborted();
  onReady?.();
  const check = resolveHealthCheck(options.health, summary.config);
  const { restart, notify, log } = options;
  const request: SupervisorRequest = {
    dataDir,
    containerId: container.id,
    runcPath: findRunc(runcPath),
    runtimeRoot: runtimeRoot(engine),
    facts: factsOf(bundle, options),
    ...(await networkOf(engine, { id: container.id, bundle, options, summary })),
    interactive: options.interactive,
    removeOnExit: options.removeOnExit,
    isNew,
    ...(restart === undefined ? {} : { restart }),
    ...(notify === undefined ? {} : { notify }),
    ...(check === undefined ? {} : { check }),
    ...(log === undefined ? {} : { log }),
  };
  const report = startSupervisor(supervisor, request, container.lockFd);
  // The mounts and the container are its own from here on.
  release.move();
  onHandedOver();
  container.handOver();
  checkReport(await report, container.directory);
}

/** Starts the process; resolves with its report. @throws SystemCallError */
function startSupervisor(
  command: readonly string[],
  request: SupervisorRequest,
  lockFd: number,
): Promise<string> {
  const child = spawnAttached([...command, encodeSupervisorRequest(request)], {
    // In the order of LOCK_FD and REPORT_FD.
    stdio: ['ignore', 'ignore', 'ignore', lockFd, 'pipe'],
    env: RUNC_ENVIRONMENT,
    cwd: '/',
    newSession: true,
  });
  child.unref();
  return text(child.stdio[REPORT_FD] as Readable);
}
