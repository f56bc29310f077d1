/** One run of a prepared container, by the process that holds its lock. */
import type { Container } from '../container/container-store.ts';
import type { PreparedBundle } from '../runtime/bundle.ts';
import { controlGroups } from '../runtime/end-container.ts';
import { type ContainerExit, runContainer as startRunc } from '../runtime/runc.ts';
import type { RuncRun } from '../runtime/runc-run.ts';
import { startWatch } from '../runtime/supervisor-watch.ts';
import { forwardSignals, type SignalSource } from './forward-signals.ts';
import type { NetworkPlan } from './network-plan.ts';

/** What of a bundle its supervisor needs. */
export interface RunFacts {
  readonly stopSignal: number;
  readonly stopTimeoutSeconds?: number;
  readonly uid: number;
  readonly cgroupsPath?: string;
  readonly hasTerminal: boolean;
}

/** A run that is about to start. */
export interface SupervisePlan {
  readonly container: Container;
  readonly facts: RunFacts;
  readonly runc: Pick<RuncRun, 'runcPath' | 'runtimeRoot' | 'stdin'>;
  /** The container's own descriptors, where they are not ours; once for each run. */
  readonly openStdio?: () => ContainerStdio;
  readonly signals: SignalSource;
  /** Made before the start and undone after the end of each run. */
  readonly network?: NetworkPlan;
  readonly isDetached: boolean;
  /** How often this supervisor has started it again. */
  readonly restartCount: number;
  readonly onStarted?: (pid: number) => void;
}

/** Descriptors that a container is started with. */
export interface ContainerStdio extends Pick<RuncRun, 'stdio' | 'consoleSocket'> {
  /** Closes our side of what runc has handed on, as soon as runc has it. */
  close(): void;
}

/** The facts of a bundle that was just prepared. */
export function factsOf(
  { config, stopSignal }: PreparedBundle,
  options: { readonly stopTimeoutSeconds?: number; readonly tty: boolean },
): RunFacts {
  const { cgroupsPath } = config.linux;
  const { stopTimeoutSeconds } = options;
  return {
    stopSignal,
    ...(stopTimeoutSeconds === undefined ? {} : { stopTimeoutSeconds }),
    uid: config.process.user.uid,
    ...(cgroupsPath === undefined ? {} : { cgroupsPath }),
    hasTerminal: options.tty,
  };
}

/**
 * Starts the container and waits for its end; signals go to it meanwhile. What others need to end it
 * in our stead is written down first, and a watch ends it within a second when this process is
 * killed. Afterwards nothing of the run is left but files in the container's directory.
 *
 * @throws SystemCallError when runc cannot be started, and the errors of `openNetwork`
 */
export async function superviseRun(plan: SupervisePlan): Promise<ContainerExit> {
  const { container, facts, runc, isDetached, restartCount } = plan;
  const { runcPath, runtimeRoot } = runc;
  const { stopSignal, stopTimeoutSeconds, cgroupsPath, uid, hasTerminal } = facts;
  const groups = cgroupsPath === undefined ? {} : { cgroupsPath };
  const timeout = stopTimeoutSeconds === undefined ? {} : { stopTimeoutSeconds };
  container.beginRun({
    isDetached,
    hasTerminal,
    cgroups: controlGroups(groups),
    runtimeRoot,
    stopSignal,
    ...timeout,
    restartCount,
  });
  const target = { runcPath, runtimeRoot, containerId: container.id, ...groups };
  // Before the watch: killed meanwhile, there is nothing to end, and nobody waits for it.
  await using _network = await openNetworkOf(plan);
  using watch = startWatch({ ...target, lockFd: container.lockFd });
  const { close, ...stdio } = plan.openStdio?.() ?? { close: () => {} };
  const running = startRunc({
    ...target,
    ...runc,
    ...stdio,
    bundleDir: container.directory,
    tty: hasTerminal,
    uid,
    ...(plan.onStarted === undefined ? {} : { onStarted: plan.onStarted }),
  });
  close();
  watch.runcStarted(running.pid);
  using _forwarding = forwardSignals(plan.signals, running, {
    stopSignal,
    stopTimeoutSeconds,
  });
  return await running.exited;
}

/** Loaded only by who has one. */
async function openNetworkOf({
  network,
  container,
}: SupervisePlan): Promise<AsyncDisposable | undefined> {
  if (network === undefined) return undefined;
  const { openNetwork } = await import('./network-open.ts');
  return await openNetwork(network, container);
}
