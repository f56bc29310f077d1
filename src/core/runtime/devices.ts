/** Devices of a container: those of `--device`, or all of them with `--privileged`. */
import { type BigIntStats, lstatSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { deviceNumber } from '../host/device-number.ts';
import type { DeviceRule, RuntimeDevice } from '../oci/runtime-spec.ts';
import { mountDestination } from './mount-destination.ts';
import { isWithin, lstatIfPresent } from './root-path.ts';
import type { DeviceRequest } from './run-options.ts';

/** Device nodes to make, and the rules of the device controller. */
export interface DeviceChoice {
  readonly devices: readonly RuntimeDevice[];
  readonly rules: readonly DeviceRule[];
}

/** What devices are made for. */
export interface DeviceContext {
  readonly rootfsPath: string;
  readonly privileged: boolean;
}

/** Directories of /dev that are file systems of their own, and links to a process's own files. */
const NOT_DEVICES: ReadonlySet<string> = new Set(['pts', 'shm', 'mqueue', 'fd', 'hugepages']);

/**
 * Reads the numbers, modes and owners of the requested devices from the host. Nothing but them and
 * the runtime's usual harmless ones can be used; a privileged container can use every device.
 *
 * @throws EngineError `USAGE_INVALID` when a path is no device, or its destination not allowed
 */
export function chooseDevices(
  requests: readonly DeviceRequest[],
  context: DeviceContext,
): DeviceChoice {
  const devices = new Map<string, RuntimeDevice>();
  const rules: DeviceRule[] = [{ allow: context.privileged, access: 'rwm' }];
  if (context.privileged) {
    for (const device of devicesBelow('/dev', '/dev')) {
      devices.set(device.path, device);
    }
  }
  for (const request of requests) {
    const destination = mountDestination(context.rootfsPath, request.destination, context);
    for (const device of requestedDevices(request, destination)) {
      requireFree(device, context.rootfsPath);
      devices.set(device.path, device);
      const { major, minor } = device;
      const type = device.type === 'b' ? 'b' : 'c';
      rules.push({ allow: true, type, major, minor, access: request.access });
    }
  }
  return { devices: [...devices.values()], rules };
}

function requestedDevices({ source }: DeviceRequest, destination: string): RuntimeDevice[] {
  const stats = statIfPresent(source);
  const device = stats === undefined ? undefined : asDevice(stats, destination);
  if (device !== undefined) {
    return [device];
  }
  const found = stats?.isDirectory() ? devicesBelow(source, destination) : [];
  if (found.length === 0) {
    const what = stats === undefined ? 'does not exist' : 'is not a device';
    throw new EngineError('USAGE_INVALID', `The device ${quote(source)} ${what}.`);
  }
  return found;
}

/**
 * The runtime leaves what is there already as it is and says nothing, so the container would not get
 * the device. /dev is a file system of the container's own, where nothing is yet.
 */
function requireFree(device: RuntimeDevice, rootfsPath: string): void {
  if (isWithin(device.path, '/dev')) return;
  const place = rootfsPath + device.path;
  if (lstatIfPresent(place) === undefined) return;
  const found = asDevice(lstatSync(place, { bigint: true }), device.path);
  const { type, major, minor } = found ?? {};
  if (type === device.type && major === device.major && minor === device.minor) return;
  throw new EngineError(
    'USAGE_INVALID',
    `The image has something else at ${quote(device.path)}, where a device was to be made.`,
    { hint: `Choose a place in /dev: --device SOURCE:/dev/${basename(device.path)}` },
  );
}

function devicesBelow(directory: string, destination: string): RuntimeDevice[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    const place = join(destination, name);
    const stats = NOT_DEVICES.has(name) ? undefined : statIfPresent(path);
    if (stats?.isDirectory()) {
      return devicesBelow(path, place);
    }
    // The console of a container is its own terminal.
    const device = stats === undefined || name === 'console' ? undefined : asDevice(stats, place);
    return device === undefined ? [] : [device];
  });
}

function asDevice(stats: BigIntStats, path: string): RuntimeDevice | undefined {
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) {
    return undefined;
  }
  return {
    path,
    type: stats.isBlockDevice() ? 'b' : 'c',
    ...deviceNumber(stats.rdev),
    fileMode: Number(stats.mode & 0o777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
  };
}

function statIfPresent(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    // A link to nothing, or a device that was unplugged while the directory was read.
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ELOOP')) {
      return undefined;
    }
    throw error;
  }
}
