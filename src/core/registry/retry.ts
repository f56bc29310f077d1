/**
 * Which failures may pass, and how long to wait for that.
 *
 * | failure | sent again |
 * |---|---|
 * | status 408, 429, 500, 502, 503, 504 | yes |
 * | connection reset, cut, stalled, timed out; temporary DNS failure | yes |
 * | connection refused, unknown host, TLS, any other status | no |
 *
 * Waits double from `retryBaseMs` and are cut by a random half, so that clients do not march in step.
 * `Retry-After` is the least that is waited, with a random tenth on top for the same reason. The waits
 * of one request never pass `retryBudgetMs` together, those of all requests of a fetch never the
 * `RetryBudget` that they share.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError, type EngineErrorOptions, type ErrorCode } from '../errors.ts';
import type { OnProgress } from '../progress.ts';

/** Time-outs and retries. Times in milliseconds. */
export interface TransportLimits {
  /** From sending a request to the head of its answer, connecting included. */
  readonly headTimeoutMs: number;
  /** How long a body may stand still, or trickle with less than 16 KiB. */
  readonly stallTimeoutMs: number;
  /** How often a request is sent at most. */
  readonly attempts: number;
  readonly retryBaseMs: number;
  /** The sum of all waits between the attempts of one request. */
  readonly retryBudgetMs: number;
}

export const DEFAULT_LIMITS: TransportLimits = {
  headTimeoutMs: 30_000,
  stallTimeoutMs: 60_000,
  attempts: 5,
  retryBaseMs: 500,
  retryBudgetMs: 60_000,
};

const LONGEST_WAIT_MS = 15_000;
/** Of all requests of a fetch together, those that wait side by side added up. */
const FETCH_BUDGET_MS = 600_000;

/** What several requests may still wait together, whatever the registry does to each. */
export interface RetryBudget {
  readonly totalMs: number;
  remainingMs: number;
}

/** A budget for one fetch or push; ten minutes unless told otherwise. */
export function createRetryBudget(totalMs = FETCH_BUDGET_MS): RetryBudget {
  return { totalMs, remainingMs: totalMs };
}

/** A failure that may pass. Leaves the module only when attempts or time are used up. */
export class TransientError extends EngineError {
  /** What the registry asked for, if it did. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: EngineErrorOptions & { retryAfterMs?: number | undefined } = {},
  ) {
    super(code, message, options);
    this.name = 'TransientError';
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Counts the attempts of one request. */
export interface Retrier {
  /**
   * Waits before the next attempt.
   *
   * @throws the error itself when it is not transient, an `EngineError` that says how often and how
   * long was tried when there is no next attempt, `CANCELLED` when `signal` aborts.
   */
  pause(error: unknown, signal: AbortSignal | undefined): Promise<void>;
  /** Says that there was progress: the attempts count from 1 again. */
  reset(): void;
}

/** What a retrier needs beside the limits. */
export interface RetrierOptions {
  /** Who is asked, for progress. */
  readonly host: string;
  /** Shared with the other requests of the fetch. */
  readonly budget: RetryBudget;
  readonly onProgress?: OnProgress | undefined;
  /** Instead of the limits' own. */
  readonly attempts?: number | undefined;
}

/** Starts counting for one request. */
export function startRetrier(limits: TransportLimits, options: RetrierOptions): Retrier {
  const { host, budget, onProgress, attempts = limits.attempts } = options;
  let attempt = 1;
  let waitedMs = 0;
  return {
    reset: () => {
      attempt = 1;
      waitedMs = 0;
    },
    pause: async (error, signal) => {
      if (!(error instanceof TransientError)) throw error;
      if (attempt >= attempts) throw exhausted(error, `after ${attempt} attempts`);
      const delayMs = Math.round(delayBefore(attempt, error.retryAfterMs, limits));
      if (waitedMs + delayMs > limits.retryBudgetMs) {
        throw exhausted(error, waitTooLong(delayMs, limits.retryBudgetMs, 'a request'));
      }
      if (delayMs > budget.remainingMs) {
        throw exhausted(error, waitTooLong(delayMs, budget.totalMs, 'all requests together'));
      }
      attempt += 1;
      waitedMs += delayMs;
      budget.remainingMs -= delayMs;
      const { message: reason } = error;
      onProgress?.({ type: 'retrying', host, reason, attempt, attempts, delayMs });
      await pauseFor(delayMs, signal);
    },
  };
}

function delayBefore(
  attempt: number,
  retryAfterMs: number | undefined,
  { retryBaseMs }: TransportLimits,
): number {
  const full = Math.min(retryBaseMs * 2 ** (attempt - 1), LONGEST_WAIT_MS);
  const backoffMs = full * (0.5 + Math.random() / 2);
  return Math.max(backoffMs, (retryAfterMs ?? 0) * (1 + Math.random() / 10));
}

function waitTooLong(delayMs: number, budgetMs: number, whose: string): string {
  const seconds = (ms: number): string => `${Math.ceil(ms / 1000)} s`;
  return `the next attempt is due in ${seconds(delayMs)}, which is over the ${seconds(budgetMs)} that dray waits for ${whose}`;
}

function exhausted(error: TransientError, why: string): EngineError {
  return new EngineError(error.code, `${error.message}; given up: ${why}`, {
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

async function pauseFor(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(delayMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw signal?.aborted ? cancelled(signal) : error;
  }
}

/** The error for an aborted signal. */
export function cancelled(signal: AbortSignal): EngineError {
  return new EngineError('CANCELLED', 'the transfer was cancelled', { cause: signal.reason });
}

/**
 * Reads a `Retry-After` header (RFC 9110, 10.2.3): seconds or an HTTP date.
 *
 * @returns milliseconds from `nowMs`, or undefined when there is none that can be read.
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (/^[0-9]+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER);
  const date = /^[A-Z][A-Za-z0-9 ,:-]{1,40}$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
