/** `--device`, in docker's notation. */
import { quote } from '../../core/errors.ts';
import type { DeviceRequest } from '../../core/runtime/run-options.ts';
import { usageError } from './usage-error.ts';

/** One `--device SOURCE[:DESTINATION][:ACCESS]`; access is `rwm` unless it says otherwise. */
export function parseDeviceFlag(text: string): DeviceRequest {
  const parts = text.split(':');
  const [source = '', second, third] = parts;
  const isAccess = parts.length === 2 && isDeviceAccess(second ?? '');
  const destination = second === undefined || isAccess ? source : second;
  const access = (isAccess ? second : third) ?? 'rwm';
  const isComplete = source.startsWith('/') && destination.startsWith('/');
  if (parts.length > 3 || !isComplete || !isDeviceAccess(access)) {
    throw usageError(`--device ${quote(text)} is not of the form PATH[:PATH][:rwm].`);
  }
  return { source, destination, access };
}

function isDeviceAccess(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;
}
