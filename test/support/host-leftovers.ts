/** What a container engine can leave on a machine, looked up where the kernel lists it. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

const CGROUP_ROOT = '/sys/fs/cgroup';
const CGROUP_NAME = /^dray-/;

/**
 * One line per thing outside `directory` that belongs to it: mounts below it, processes that were
 * started with its path or that live in its mounts, loop devices over its files, runc's state; and
 * every control group of dray's making, unless processes of somebody else live in it.
 */
export function hostLeftovers(directory: string): string[] {
  return [
    ...linesWith('/proc/self/mountinfo', `${directory}/`).map((line) => `mount ${line}`),
    ...processesOf(directory),
    ...loopDevicesOf(directory),
    ...entries(join(directory, 'run')).flatMap((name) =>
      runtimeState(join(directory, 'run', name)),
    ),
    ...ownControlGroups(directory).map((path) => `control group ${path}`),
  ];
}

function processesOf(directory: string): string[] {
  const ownMounts = mountNamespace('self');
  const isOurs = (pid: string): boolean =>
    read(`/proc/${pid}/cmdline`).includes(directory) ||
    (mountNamespace(pid) !== ownMounts && read(`/proc/${pid}/mountinfo`).includes(directory));
  return entries('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== `${process.pid}` && isOurs(name))
    .map((pid) => `process ${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()}`);
}

function mountNamespace(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return '';
  }
}

function loopDevicesOf(directory: string): string[] {
  return entries('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .filter((name) => read(`/sys/block/${name}/loop/backing_file`).startsWith(`${directory}/`))
    .map((name) => `loop device ${name}`);
}

/** runc keeps one directory per container; empty directories around them are no leftovers. */
function runtimeState(path: string): string[] {
  const inside = entries(path);
  if (inside.includes('state.json')) return [`runtime state ${path}`];
  return inside.flatMap((name) => runtimeState(join(path, name)));
}

function controlGroups(directory: string): string[] {
  return readdirSafe(directory)
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      return CGROUP_NAME.test(entry.name) ? [path] : controlGroups(path);
    });
}

/**
 * The groups that may be of our making. Somebody else's are known by the processes in them, or by a
 * twin of the same name in another hierarchy, outside the group that this process lives in.
 */
function ownControlGroups(directory: string): string[] {
  const all = controlGroups(CGROUP_ROOT);
  const homes = read('/proc/self/cgroup').split('\n').flatMap(cgroupDirectory);
  const isForeign = (path: string): boolean =>
    (homes.length > 0 && !homes.some((home) => path.startsWith(home))) ||
    isInhabitedByOthers(path, directory);
  const foreign = new Set(all.filter(isForeign).map((path) => basename(path)));
  return all.filter((path) => !foreign.has(basename(path)));
}

/**
 * The directory below which dray makes groups in the hierarchy of a line of `/proc/self/cgroup`: in
 * version 1 our own group, in version 2 the top.
 */
function cgroupDirectory(line: string): string[] {
  const [id, controllers, path] = line.split(':');
  if (path === undefined) return [];
  if (id !== '0') return [join(CGROUP_ROOT, (controllers ?? '').replace('name=', ''), path, '/')];
  const hybrid = join(CGROUP_ROOT, 'unified');
  return [join(existsSync(hybrid) ? hybrid : CGROUP_ROOT, '/')];
}

function isInhabitedByOthers(cgroup: string, directory: string): boolean {
  const pids = read(join(cgroup, 'cgroup.procs')).split('\n').filter(Boolean);
  return pids.length > 0 && !pids.some((pid) => read(`/proc/${pid}/mountinfo`).includes(directory));
}

function linesWith(file: string, text: string): string[] {
  return read(file)
    .split('\n')
    .filter((line) => line.includes(text));
}

function entries(directory: string): string[] {
  return readdirSafe(directory).map((entry) => entry.name);
}

/** Everything listed here may vanish while it is looked at, and then it is no leftover. */
function readdirSafe(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
