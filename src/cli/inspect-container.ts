/** What `inspect` shows of a container: docker's shape. */

import type { ContainerInspection } from '../core/operations/inspect-container.ts';
import type { MountInfo } from '../core/operations/mount-info.ts';
import { stateWord, validTime } from './container-words.ts';
import { hostConfig } from './inspect-host-config.ts';
import { networkSettings } from './inspect-network.ts';
import { setOf, signalName } from './inspect-values.ts';
import { textMap } from './template/values.ts';

/** How Go writes a time that never was. */
const NEVER = '0001-01-01T00:00:00Z';
const NANOSECONDS_PER_MS = 1_000_000;
const HOSTNAME_DIGITS = 12;

/**
 * The JSON of one container, and what a template sees of it. Fields that docker leaves out when they
 * are empty are `undefined`.
 */
export function containerInspection(container: ContainerInspection) {
  const { id, record, paths, sizes } = container;
  const [program = '', ...args] = record?.command ?? [];
  return {
    Id: id,
    Created: record?.createdAt ?? NEVER,
    Path: program,
    Args: args,
    State: stateOf(container),
    Image: record?.imageId ?? '',
    ResolvConfPath: paths.resolvConf,
    HostnamePath: paths.hostname,
    HostsPath: paths.hosts,
    LogPath: paths.log,
    Name: record?.name === undefined ? '' : `/${record.name}`,
    RestartCount: container.restartCount,
    Driver: 'overlay',
    Platform: container.image?.os ?? 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: null,
    HostConfig: hostConfig(container),
    GraphDriver: {
      Data: textMap({
        LowerDir: paths.lowerDir,
        MergedDir: paths.mergedDir,
        UpperDir: paths.upperDir,
        WorkDir: paths.workDir,
      }),
      Name: 'overlay',
    },
    SizeRw: sizes?.writableBytes,
    SizeRootFs: sizes?.rootBytes,
    Mounts: container.mounts.map(mountPoint),
    Config: configOf(container),
    NetworkSettings: networkSettings(container),
  };
}

function stateOf({ phase, exit, pid, startedAt, health, ...container }: ContainerInspection) {
  const isOver = phase === 'exited' || phase === 'removing';
  return {
    Status: stateWord({ phase }),
    Running: phase === 'running' || phase === 'paused' || phase === 'restarting',
    Paused: phase === 'paused',
    Restarting: phase === 'restarting',
    OOMKilled: exit?.isOutOfMemory === true,
    Dead: false,
    Pid: pid ?? 0,
    ExitCode: exit?.status ?? (isOver ? KILLED_STATUS : 0),
    Error: exit?.error ?? '',
    StartedAt: validTime(startedAt)?.toISOString() ?? NEVER,
    FinishedAt: validTime(exit?.finishedAt)?.toISOString() ?? NEVER,
    Health:
      health === undefined || container.healthCheck === undefined
        ? undefined
        : {
            Status: health.status,
            FailingStreak: health.failingStreak,
            Log: health.log.map(({ start, end, exitCode, output }) => ({
              Start: start,
              End: end,
              ExitCode: exitCode,
              Output: output,
            })),
          },
  };
}

/** Of a container whose dray was killed before it could write anything down. */
const KILLED_STATUS = 137;

function mountPoint(mount: MountInfo) {
  const { type, name, source, destination, readOnly, propagation, options } = mount;
  return {
    Type: type,
    Name: name,
    Source: source,
    Destination: destination,
    Driver: type === 'volume' ? 'local' : undefined,
    Mode: options.join(','),
    RW: !readOnly,
    Propagation: propagation,
  };
}

function configOf({ id, record, options, image, ...container }: ContainerInspection) {
  const { config, environment, healthCheck } = container;
  const isForeground = options !== undefined && !container.isDetached;
  const own = options?.command ?? [];
  const hasOwnProgram = options?.entrypoint !== undefined;
  const inherited = hasOwnProgram ? [] : (image?.Cmd ?? []);
  return {
    Hostname:
      typeof config.hostname === 'string'
        ? config.hostname
        : (options?.hostname ?? id.slice(0, HOSTNAME_DIGITS)),
    Domainname: options?.domainname ?? '',
    User: options?.user ?? image?.User ?? '',
    AttachStdin: isForeground && options.interactive,
    AttachStdout: isForeground,
    AttachStderr: isForeground,
    ExposedPorts: setOf(Object.keys(image?.ExposedPorts ?? {})),
    Tty: options?.tty ?? false,
    OpenStdin: options?.interactive ?? false,
    StdinOnce: isForeground && options.interactive,
    Env: environment,
    Cmd: own.length > 0 ? own : inherited.length > 0 ? inherited : null,
    Healthcheck:
      healthCheck === undefined
        ? undefined
        : {
            Test: ['CMD', ...healthCheck.command],
            Interval: healthCheck.intervalMs * NANOSECONDS_PER_MS,
            Timeout: healthCheck.timeoutMs * NANOSECONDS_PER_MS,
            StartPeriod: healthCheck.startPeriodMs * NANOSECONDS_PER_MS,
            Retries: healthCheck.retries,
          },
    Image: options?.image ?? record?.reference ?? record?.imageId ?? '',
    Volumes: setOf(Object.keys(image?.Volumes ?? {})),
    WorkingDir: options?.workingDirectory ?? image?.WorkingDir ?? '',
    Entrypoint: options?.entrypoint ?? image?.Entrypoint ?? null,
    OnBuild: null,
    Labels: textMap(record?.labels),
    StopSignal: signalName(options?.stopSignal) ?? image?.StopSignal,
    StopTimeout: options?.stopTimeoutSeconds,
  };
}
