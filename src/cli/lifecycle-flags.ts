/** The flags of `run` and `create` that decide how a container lives on. */
import { resolve } from 'node:path';
import * as Flags from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import { quote } from '../core/errors.ts';
import type {
  HealthOptions,
  LogLimits,
  NotifyRequest,
  RestartPolicy,
  RunOptions,
} from '../core/runtime/run-options.ts';
import { parseDuration } from './parse/durations.ts';
import type { HostEnvironment } from './parse/key-values.ts';
import { parseSize } from './parse/quantities.ts';
import { usageError } from './parse/usage-error.ts';

/** oclif's flags. */
export const lifecycleFlags = {
  restart: Flags.string({
    description: 'start it again when it ends: no, on-failure[:MAX], always or unless-stopped',
    helpValue: 'POLICY',
    default: 'no',
  }),
  replace: Flags.boolean({ description: 'remove the container that has the name', default: false }),
  'uuid-file-save': Flags.string({
    description: 'write the container id to a file, which may exist',
    helpValue: 'FILE',
  }),
  'log-max-size': Flags.string({
    description: 'begin a new file of output after so many bytes',
    helpValue: 'SIZE',
  }),
  'log-max-files': Flags.string({
    description: 'keep so many files of output, 5 by default; needs --log-max-size',
    helpValue: 'N',
  }),
  'health-cmd': Flags.string({ description: 'check its health with this', helpValue: 'COMMAND' }),
  'health-interval': Flags.string({
    description: 'time between two checks',
    helpValue: 'DURATION',
  }),
  'health-timeout': Flags.string({
    description: 'time that a check may take',
    helpValue: 'DURATION',
  }),
  'health-start-period': Flags.string({
    description: 'time after the start in which failures do not count',
    helpValue: 'DURATION',
  }),
  'health-retries': Flags.string({
    description: 'failures in a row that make it unhealthy',
    helpValue: 'N',
  }),
  'no-healthcheck': Flags.boolean({
    description: "check nothing, whatever the image's HEALTHCHECK says",
    default: false,
  }),
  sdnotify: Flags.string({
    description: 'who tells systemd that it is ready: container, conmon (when it runs) or ignore',
    helpValue: 'WHO',
    default: 'ignore',
  }),
};

/** The values that oclif parses for `lifecycleFlags`, and those that they depend on. */
export type LifecycleFlagValues = InferredFlags<typeof lifecycleFlags> & { readonly rm: boolean };

/** @throws EngineError `USAGE_INVALID` naming the flag and the value */
export function parseLifecycleFlags(
  flags: LifecycleFlagValues,
  { env, cwd }: { readonly env: HostEnvironment; readonly cwd: string },
): Pick<RunOptions, 'restart' | 'replacesNamed' | 'uuidFile' | 'log' | 'health' | 'notify'> {
  const restart = parseRestart(flags.restart);
  if (restart !== undefined && flags.rm) {
    throw usageError('--rm and --restart exclude each other.');
  }
  const log = parseLog(flags['log-max-size'], flags['log-max-files']);
  const health = parseHealth(flags);
  const notify = parseNotify(flags.sdnotify, env.NOTIFY_SOCKET);
  const uuidFile = flags['uuid-file-save'];
  return {
    ...(restart === undefined ? {} : { restart }),
    ...(flags.replace ? { replacesNamed: true } : {}),
    ...(uuidFile === undefined ? {} : { uuidFile: resolve(cwd, uuidFile) }),
    ...(log === undefined ? {} : { log }),
    ...(health === undefined ? {} : { health }),
    ...(notify === undefined ? {} : { notify }),
  };
}

/** `no`, `on-failure[:MAX]`, `always`, `unless-stopped`. */
function parseRestart(text: string): RestartPolicy | undefined {
  if (text === 'no' || text === '') return undefined;
  const [, when, most] = /^(on-failure|always|unless-stopped)(?::(\d{1,9}))?$/.exec(text) ?? [];
  if (when === 'on-failure') {
    return { when, ...(most === undefined ? {} : { maximumRetries: Number(most) }) };
  }
  if ((when === 'always' || when === 'unless-stopped') && most === undefined) return { when };
  throw usageError(
    `--restart ${quote(text)} is none of no, on-failure[:MAX], always and unless-stopped.`,
  );
}

const DEFAULT_LOG_FILES = 5;

function parseLog(size: string | undefined, files: string | undefined): LogLimits | undefined {
  if (size === undefined) {
    if (files === undefined) return undefined;
    throw usageError('--log-max-files needs --log-max-size.', {
      hint: `Add a size: --log-max-size 10m --log-max-files ${files}`,
    });
  }
  const maxSegmentBytes = parseSize(size, '--log-max-size');
  if (maxSegmentBytes === 0) throw usageError('--log-max-size 0 would keep nothing.');
  const maxSegments =
    files === undefined ? DEFAULT_LOG_FILES : parseCount(files, '--log-max-files');
  return { maxSegmentBytes, maxSegments };
}

function parseHealth(flags: LifecycleFlagValues): HealthOptions | undefined {
  const command = flags['health-cmd'];
  if (flags['no-healthcheck']) {
    if (command === undefined) return { isDisabled: true };
    throw usageError('--no-healthcheck and --health-cmd exclude each other.');
  }
  if (command === 'none') return { isDisabled: true };
  const health = {
    ...(command ? { command } : {}),
    ...span('intervalMs', flags['health-interval'], '--health-interval'),
    ...span('timeoutMs', flags['health-timeout'], '--health-timeout'),
    ...span('startPeriodMs', flags['health-start-period'], '--health-start-period'),
    ...(flags['health-retries'] === undefined
      ? {}
      : { retries: parseCount(flags['health-retries'], '--health-retries') }),
  };
  return Object.keys(health).length === 0 ? undefined : health;
}

function span<Key extends string>(
  key: Key,
  text: string | undefined,
  flag: string,
): { readonly [K in Key]?: number } {
  if (text === undefined) return {};
  return { [key]: parseDuration(text, flag) } as { readonly [K in Key]: number };
}

function parseCount(text: string, flag: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw usageError(`${flag} ${quote(text)} is not a number of at least 1.`);
}

/** Without a service manager there is nobody to tell. */
function parseNotify(who: string, socket: string | undefined): NotifyRequest | undefined {
  if (who !== 'container' && who !== 'conmon' && who !== 'ignore') {
    throw usageError(`--sdnotify ${quote(who)} is none of container, conmon and ignore.`);
  }
  if (who === 'ignore' || !socket) return undefined;
  return { by: who === 'container' ? 'container' : 'dray', socket };
}
