/**
 * The environment of a container's process. Nothing of our own environment gets in by itself: a
 * value comes from the image, from the user, or is one of the few that every container has.
 */
import { EngineError, quote } from '../errors.ts';
import type { EnvironmentSetting } from './run-options.ts';

/** The search path where neither the image nor the user gives one. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What an environment is made of. */
export interface EnvironmentInput {
  /** `Env` of the image config; entries without a name or without `=` are passed over. */
  readonly image: readonly string[];
  /** The user's settings; the last of a name wins. */
  readonly settings: readonly EnvironmentSetting[];
  readonly hostname: string;
  readonly tty: boolean;
  /** The home directory of the user in the image. */
  readonly home: string;
}

/**
 * Merges them: defaults, then the image, then the user, and HOME only if nobody has set it.
 *
 * @throws EngineError `USAGE_INVALID` or `IMAGE_INVALID` when a value holds a NUL, which no process
 * can be given
 */
export function containerEnvironment(input: EnvironmentInput): Map<string, string> {
  const environment = new Map([
    ['PATH', DEFAULT_PATH],
    ['HOSTNAME', input.hostname],
  ]);
  if (input.tty) {
    environment.set('TERM', 'xterm');
  }
  for (const entry of input.image) {
    const separator = entry.indexOf('=');
    if (separator > 0) {
      refuseNul(entry, 'IMAGE_INVALID');
      environment.set(entry.slice(0, separator), entry.slice(separator + 1));
    }
  }
  for (const { name, value } of input.settings) {
    if (value === undefined) {
      environment.delete(name);
    } else {
      refuseNul(`${name}=${value}`, 'USAGE_INVALID');
      environment.set(name, value);
    }
  }
  if (!environment.has('HOME')) {
    environment.set('HOME', input.home);
  }
  return environment;
}

/** `KEY=value` strings, as the runtime config wants them. */
export function environmentStrings(environment: ReadonlyMap<string, string>): string[] {
  return Array.from(environment, ([name, value]) => `${name}=${value}`);
}

function refuseNul(entry: string, code: 'USAGE_INVALID' | 'IMAGE_INVALID'): void {
  if (entry.includes('\0')) {
    const origin = code === 'IMAGE_INVALID' ? 'of the image ' : '';
    throw new EngineError(
      code,
      `The environment variable ${origin}${quote(entry)} holds a NUL character.`,
    );
  }
}
