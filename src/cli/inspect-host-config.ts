/** `HostConfig` of `inspect`: what a container was asked to be, in docker's shape. */
import { isJsonObject, type JsonObject } from '../core/oci/json-document.ts';
import type { ContainerInspection } from '../core/operations/inspect-container.ts';
import type { MountInfo } from '../core/operations/mount-info.ts';
import { portMap } from './inspect-network.ts';
import { listOrNull } from './inspect-values.ts';
import { textMap } from './template/values.ts';

type Options = NonNullable<ContainerInspection['options']>;

const NANOSECONDS_PER_CPU = 1e9;
const DEFAULT_PIDS_LIMIT = 2048;
const UNLIMITED_RLIMIT = 2n ** 64n - 1n;

/** The part of an inspection that tells the options of the container. */
export function hostConfig(container: ContainerInspection) {
  const { options, mounts, network, record } = container;
  const restart = options?.restart;
  return {
    Binds: listOrNull(mounts.filter(({ type }) => type !== 'tmpfs').map(bindText)),
    ContainerIDFile: options?.cidFile ?? '',
    LogConfig: logConfig(options),
    NetworkMode: network.mode,
    PortBindings: portMap(network.ports.length > 0 ? network.ports : requestedPorts(options)),
    RestartPolicy: {
      Name: restart?.when ?? 'no',
      MaximumRetryCount: restart?.maximumRetries ?? 0,
    },
    AutoRemove: record?.removeOnExit ?? false,
    VolumeDriver: '',
    VolumesFrom: null,
    Annotations: textMap(Object.fromEntries(options?.annotations ?? [])),
    CapAdd: listOrNull(options?.capabilitiesAdded),
    CapDrop: listOrNull(options?.capabilitiesDropped),
    CgroupnsMode: 'private',
    Dns: options?.nameServers?.servers ?? [],
    DnsOptions: options?.nameServers?.options ?? [],
    DnsSearch: options?.nameServers?.search ?? [],
    ExtraHosts: listOrNull(options?.extraHosts?.map(({ name, address }) => `${name}:${address}`)),
    GroupAdd: listOrNull(options?.groupAdd),
    IpcMode: 'private',
    Cgroup: '',
    Links: null,
    OomScoreAdj: 0,
    PidMode: '',
    Privileged: options?.privileged ?? false,
    PublishAllPorts: options?.publishesAll ?? false,
    ReadonlyRootfs: options?.readOnly ?? false,
    SecurityOpt: listOrNull(securityOptions(options)),
    Tmpfs: tmpfsOf(mounts),
    UTSMode: '',
    UsernsMode: '',
    ShmSize: options?.shmSizeBytes ?? 0,
    Runtime: 'runc',
    Isolation: '',
    ...resourcesOf(options),
    Init: options?.init ?? false,
    ...pathsOf(container.config),
  };
}

function bindText({ name, source, destination, readOnly, options }: MountInfo): string {
  const modes = [...(readOnly ? ['ro'] : []), ...options].join(',');
  return [name ?? source, destination, ...(modes === '' ? [] : [modes])].join(':');
}

function logConfig(options: Options | undefined) {
  const limits = options?.log;
  const config =
    limits === undefined
      ? {}
      : {
          'max-file': String(limits.maxSegments),
          'max-size': String(limits.maxSegmentBytes),
        };
  return { Type: 'local', Config: textMap(config) };
}

function requestedPorts(options: Options | undefined) {
  return (options?.publish ?? []).map(({ protocol, containerPort, hostPorts, hostIp }) => ({
    protocol,
    containerPort,
    hostPort: hostPorts[0],
    ...(hostIp === undefined ? {} : { hostIp }),
  }));
}

function securityOptions(options: Options | undefined): string[] {
  if (options === undefined) return [];
  const { noNewPrivileges, seccomp } = options;
  const profile = seccomp.kind === 'profile' ? seccomp.path : seccomp.kind;
  return [
    ...(noNewPrivileges ? ['no-new-privileges'] : []),
    ...(seccomp.kind === 'default' ? [] : [`seccomp=${profile}`]),
  ];
}

function tmpfsOf(mounts: readonly MountInfo[]) {
  const own = mounts.filter(({ type }) => type === 'tmpfs');
  if (own.length === 0) return undefined;
  return textMap(Object.fromEntries(own.map((each) => [each.destination, each.options.join(',')])));
}

function resourcesOf(options: Options | undefined) {
  const pids = options?.pidsLimit ?? DEFAULT_PIDS_LIMIT;
  return {
    CpuShares: 0,
    Memory: options?.memoryBytes ?? 0,
    NanoCpus: Math.round((options?.cpus ?? 0) * NANOSECONDS_PER_CPU),
    CgroupParent: '',
    BlkioWeight: 0,
    CpuPeriod: 0,
    CpuQuota: 0,
    CpusetCpus: '',
    CpusetMems: '',
    Devices: (options?.devices ?? []).map(({ source, destination, access }) => ({
      PathOnHost: source,
      PathInContainer: destination,
      CgroupPermissions: access,
    })),
    MemoryReservation: 0,
    MemorySwap: 0,
    MemorySwappiness: null,
    OomKillDisable: false,
    PidsLimit: pids === 'unlimited' ? -1 : pids,
    Ulimits: (options?.rlimits ?? []).map(({ type, soft, hard }) => ({
      Name: type.replace(/^RLIMIT_/, '').toLowerCase(),
      Hard: limitNumber(hard),
      Soft: limitNumber(soft),
    })),
  };
}

function limitNumber(limit: bigint): number {
  return limit === UNLIMITED_RLIMIT ? -1 : Number(limit);
}

/** What runc was told to hide; null before it was told. */
function pathsOf({ linux }: JsonObject) {
  const parts = isJsonObject(linux) ? linux : {};
  const textsOf = (value: unknown) =>
    Array.isArray(value) ? value.filter((each) => typeof each === 'string') : null;
  return {
    MaskedPaths: textsOf(parts.maskedPaths),
    ReadonlyPaths: textsOf(parts.readonlyPaths),
  };
}
