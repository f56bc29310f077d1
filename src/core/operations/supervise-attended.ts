/** Runs of a container that is started again, whose health is checked, or that says when it is ready. */
import { existsSync } from 'node:fs';
import { stopFile } from '../container/container-paths.ts';
import type { HealthCheck } from '../runtime/health-check.ts';
import type { NotifyRequest, RestartPolicy } from '../runtime/run-options.ts';
import type { ContainerExit } from '../runtime/runc.ts';
import type { SignalSource } from './forward-signals.ts';
import { type RunEnd, restartDelay, shouldRestart } from './restart-policy.ts';
import { type SupervisePlan, superviseRun } from './supervise.ts';

/** What a supervisor does besides waiting. */
export interface Attendance {
  readonly restart?: RestartPolicy;
  readonly check?: HealthCheck;
  readonly notify?: NotifyRequest;
}

/**
 * `superviseRun`, again and again as the restart policy says; resolves with the last end. Whoever
 * asks for the end of the container (a signal to this process, or the file `stop`) also ends the
 * waiting between two runs.
 *
 * @throws SystemCallError when runc cannot be started
 */
export async function superviseAttended(
  plan: SupervisePlan,
  attendance: Attendance,
): Promise<ContainerExit> {
  using stop = new StopRequest(plan);
  let lastDelayMs: number | undefined;
  for (let restartCount = 0; ; restartCount += 1) {
    const startedAt = performance.now();
    const exit = await attendedRun({ ...plan, signals: stop, restartCount }, attendance);
    const end: RunEnd = {
      status: exit.status,
      ranMs: performance.now() - startedAt,
      isStopAsked: stop.isAsked,
      restartCount,
    };
    const isFirstFailure = exit.failure !== undefined && restartCount === 0;
    if (isFirstFailure || !shouldRestart(attendance.restart, end)) return exit;
    lastDelayMs = restartDelay(lastDelayMs, end);
    plan.container.awaitRestart(restartCount + 1);
    await stop.orAfter(lastDelayMs);
    if (stop.isAsked) return exit;
  }
}

async function attendedRun(
  plan: SupervisePlan,
  { check, notify }: Attendance,
): Promise<ContainerExit> {
  using attendants = new DisposableStack();
  const onStarted = (pid: number): void => {
    plan.onStarted?.(pid);
    if (check !== undefined) {
      void import('./health-monitor.ts').then(({ startHealthMonitor }) => {
        if (!attendants.disposed) attendants.use(startHealthMonitor(plan, check));
      });
    }
  };
  if (notify !== undefined) {
    const { openNotifyRelay } = await import('./notify-relay.ts');
    const relay = attendants.use(openNotifyRelay(plan.container.directory, notify));
    return await superviseRun({
      ...plan,
      onStarted: (pid) => {
        onStarted(pid);
        relay.started();
      },
    });
  }
  return await superviseRun({ ...plan, onStarted });
}

/** The signals of this process, and whether somebody wants the container to end and stay so. */
class StopRequest implements SignalSource, Disposable {
  readonly #file: string;
  readonly #subscription: Disposable;
  #isSignalled = false;
  #wake: (() => void) | undefined;
  #handler: ((name: NodeJS.Signals) => void) | undefined;

  constructor({ container, signals }: SupervisePlan) {
    this.#file = stopFile(container.directory);
    this.#subscription = signals.subscribe((name) => {
      if (name === 'SIGTERM' || name === 'SIGINT' || name === 'SIGHUP') this.#isSignalled = true;
      if (this.#isSignalled) this.#wake?.();
      this.#handler?.(name);
    });
  }

  get isAsked(): boolean {
    return this.#isSignalled || existsSync(this.#file);
  }

  /** Gives signals to one run. */
  subscribe(handler: (name: NodeJS.Signals) => void): Disposable {
    this.#handler = handler;
    return {
      [Symbol.dispose]: () => {
        this.#handler = undefined;
      },
    };
  }

  /** Resolves after `ms`, or when a signal asks for the end. */
  async orAfter(ms: number): Promise<void> {
    if (this.isAsked) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }
}
