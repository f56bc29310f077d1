/** What of a container is to be checked, and how often. Pure. */
import type { ImageDefaults } from '../oci/image-config.ts';
import type { HealthOptions } from './run-options.ts';

/** A health check, complete. */
export interface HealthCheck {
  readonly command: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures in so long after the start do not count. */
  readonly startPeriodMs: number;
  /** How often it may fail in a row before the container is unhealthy. */
  readonly retries: number;
}

const DEFAULT_INTERVAL_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_RETRIES = 3;
const DEFAULT_SHELL = ['/bin/sh', '-c'];
const NANOSECONDS_PER_MS = 1_000_000;

/**
 * The check of a container: what its options say, else what the image's HEALTHCHECK says, else
 * docker's defaults. Undefined when there is nothing to check. What the image says is not trusted:
 * junk in it is as if it were not there.
 */
export function resolveHealthCheck(
  options: HealthOptions | undefined,
  image: Pick<ImageDefaults, 'Healthcheck' | 'Shell'>,
): HealthCheck | undefined {
  if (options?.isDisabled === true) return undefined;
  const shell = image.Shell?.length ? image.Shell : DEFAULT_SHELL;
  const inImage = image.Healthcheck ?? {};
  const command =
    options?.command === undefined
      ? commandOf(inImage.Test, shell)
      : [...DEFAULT_SHELL, options.command];
  if (command === undefined) return undefined;
  return {
    command,
    intervalMs: options?.intervalMs || duration(inImage.Interval) || DEFAULT_INTERVAL_MS,
    timeoutMs: options?.timeoutMs || duration(inImage.Timeout) || DEFAULT_TIMEOUT_MS,
    startPeriodMs: options?.startPeriodMs ?? duration(inImage.StartPeriod),
    retries: options?.retries || count(inImage.Retries) || DEFAULT_RETRIES,
  };
}

function commandOf(test: unknown, shell: readonly string[]): readonly string[] | undefined {
  if (!Array.isArray(test) || !test.every((word) => typeof word === 'string')) return undefined;
  const [kind, ...words]: string[] = test;
  if (words.length === 0) return undefined;
  if (kind === 'CMD') return words;
  return kind === 'CMD-SHELL' ? [...shell, ...words] : undefined;
}

/** Nanoseconds, as the image has them, in milliseconds; 0 for junk. */
function duration(value: unknown): number {
  return Math.ceil(count(value) / NANOSECONDS_PER_MS);
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}
