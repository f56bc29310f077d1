/** When and how soon a container is started again. Pure. */
import type { RestartPolicy } from '../runtime/run-options.ts';

/** How a run ended, as far as restarting goes. */
export interface RunEnd {
  readonly status: number;
  readonly ranMs: number;
  /** Whether somebody asked for the end. */
  readonly isStopAsked: boolean;
  /** How often it has been started again so far. */
  readonly restartCount: number;
}

/** Whether it is started again. */
export function shouldRestart(policy: RestartPolicy | undefined, end: RunEnd): boolean {
  if (policy === undefined || end.isStopAsked) return false;
  if (policy.when !== 'on-failure') return true;
  const { maximumRetries } = policy;
  const isLeft = maximumRetries === undefined || end.restartCount < maximumRetries;
  return end.status !== 0 && isLeft;
}

const SHORTEST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
/** Whoever ran so long did not fail to start. */
const SOUND_RUN_MS = 10_000;

/** How long to wait before the next start: as docker, twice as long each time, up to a minute. */
export function restartDelay(lastDelayMs: number | undefined, { ranMs }: RunEnd): number {
  if (lastDelayMs === undefined || ranMs >= SOUND_RUN_MS) return SHORTEST_DELAY_MS;
  return Math.min(lastDelayMs * 2, LONGEST_DELAY_MS);
}
