/** Checks the health of a container as long as it runs. */
import { type Health, type HealthProbe, writeHealth } from '../container/health-file.ts';
import { adoptOrphans } from '../host/child-reaper.ts';
import { areFrozen } from '../host/control-group.ts';
import { controlGroups } from '../runtime/end-container.ts';
import type { HealthCheck } from '../runtime/health-check.ts';
import { probeHealth } from '../runtime/health-probe.ts';
import type { SupervisePlan } from './supervise.ts';

/** As many checks are remembered as docker does. */
const REMEMBERED = 5;

/**
 * Checks once in each interval until disposed, beginning one interval after now. The outcome is in
 * the container's directory. A paused container is not checked.
 */
export function startHealthMonitor(plan: SupervisePlan, check: HealthCheck): Disposable {
  adoptOrphans();
  const startedAt = performance.now();
  const { container, runc, facts } = plan;
  const target = {
    runcPath: runc.runcPath,
    runtimeRoot: runc.runtimeRoot,
    containerId: container.id,
    bundleDir: container.directory,
  };
  let health: Health = { status: 'starting', failingStreak: 0, log: [] };
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const tick = async (): Promise<void> => {
    if (!areFrozen(controlGroups(facts))) {
      const start = new Date().toISOString();
      const outcome = await probeHealth(target, check);
      if (isOver) return;
      const isEarly = performance.now() - startedAt < check.startPeriodMs;
      const probe = { start, end: new Date().toISOString(), ...outcome };
      health = nextHealth(health, probe, { retries: check.retries, isEarly });
      writeHealth(container.directory, health);
    }
    schedule();
  };
  const schedule = (): void => {
    // A disk that takes no more is no reason to end the container.
    timer = setTimeout(() => void tick().catch(schedule), check.intervalMs);
  };
  writeHealth(container.directory, health);
  schedule();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      clearTimeout(timer);
    },
  };
}

/** The health after one more check. Pure. */
export function nextHealth(
  { status, failingStreak, log }: Health,
  probe: HealthProbe,
  { retries, isEarly }: { readonly retries: number; readonly isEarly: boolean },
): Health {
  const remembered = [...log, probe].slice(-REMEMBERED);
  if (probe.exitCode === 0) return { status: 'healthy', failingStreak: 0, log: remembered };
  const isForgiven = isEarly && status === 'starting';
  const streak = isForgiven ? failingStreak : failingStreak + 1;
  const isUnhealthy = streak >= retries;
  return {
    status: isUnhealthy ? 'unhealthy' : status,
    failingStreak: streak,
    log: remembered,
  };
}
