/** docker's fields of `info --format` and `version --format`. */
import { arch, availableParallelism, hostname, totalmem } from 'node:os';
import type { HostInfo } from '../core/operations/host-info.ts';
import type { ContainerInfo } from '../core/operations/list-containers.ts';

/** What a template of `info` sees. The server is dray itself. */
export function infoData(info: HostInfo, containers: readonly Pick<ContainerInfo, 'phase'>[]) {
  const { store, kernel, runtime, version, backend } = info;
  const countOf = (...phases: string[]): number =>
    containers.filter(({ phase }) => phases.includes(phase)).length;
  const running = countOf('running', 'restarting');
  const paused = countOf('paused');
  return {
    ID: '',
    Name: hostname(),
    ServerVersion: version,
    Containers: containers.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: containers.length - running - paused,
    Images: store.images,
    Driver: 'overlay',
    DriverStatus: [
      ['Backing Filesystem', store.filesystem],
      ['Root Filesystems By', backend.name ?? 'nothing'],
    ],
    DockerRootDir: store.path,
    OSType: 'linux',
    Architecture: architecture(),
    KernelVersion: kernel.release,
    NCPU: availableParallelism(),
    MemTotal: totalmem(),
    CgroupDriver: 'cgroupfs',
    CgroupVersion: kernel.cgroups === 'v2' ? '2' : '1',
    DefaultRuntime: 'runc',
    Runtimes: new Map(runtime === undefined ? [] : [['runc', { path: runtime.path }]]),
    RuncCommit: { ID: runtime?.version ?? '' },
    LoggingDriver: 'local',
    SecurityOptions: ['name=seccomp,profile=default'],
  };
}

/** What a template of `version` sees. There is no server apart from dray. */
export function versionData(version: string, nodeVersion: string) {
  const part = { Version: version, Os: 'linux', Arch: goArchitecture(), NodeVersion: nodeVersion };
  return { Version: version, Client: part, Server: part };
}

/** As uname(1) names it. */
function architecture(): string {
  return { x64: 'x86_64', arm64: 'aarch64' }[arch() as string] ?? arch();
}

function goArchitecture(): string {
  return { x64: 'amd64' }[arch() as string] ?? arch();
}
