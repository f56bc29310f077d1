/**
 * The addresses that the plugin host-local has given out for our own networks: files named after the
 * address, whose first line is the container's id and whose second the interface.
 */
import { readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { FileLock } from '../host/file-lock.ts';
import { parseAddress } from './addresses.ts';

const LOCK_NAME = 'lock';

/** One address that somebody has. */
interface Lease {
  readonly path: string;
  readonly containerId: string;
  readonly ifname: string;
}

/**
 * Gives back the addresses of which `isHeld` is false. Takes the lock that the plugin itself takes:
 * nobody can be given one of them meanwhile.
 */
export async function reclaimLeases(
  leasesDir: string,
  network: string,
  isHeld: (containerId: string, ifname: string) => boolean,
): Promise<void> {
  const directory = join(leasesDir, network);
  const isDead = ({ containerId, ifname }: Lease): boolean => !isHeld(containerId, ifname);
  if (!leasesIn(directory).some(isDead)) return;
  using _lock = await FileLock.acquire(join(directory, LOCK_NAME), 'exclusive');
  for (const lease of leasesIn(directory).filter(isDead)) rmSync(lease.path, { force: true });
}

/** Removes the directory of a network that gives out no address now. */
export function forgetLeases(leasesDir: string, network: string): void {
  const directory = join(leasesDir, network);
  if (leasesIn(directory).length > 0) return;
  rmSync(directory, { recursive: true, force: true });
  try {
    rmdirSync(leasesDir);
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY') && !hasErrno(error, 'ENOENT')) throw error;
  }
}

function leasesIn(directory: string): Lease[] {
  return namesIn(directory).flatMap((name) => {
    if (parseAddress(name) === undefined) return [];
    const path = join(directory, name);
    const [containerId = '', ifname = ''] = readText(path).split(/\r?\n/);
    return [{ path, containerId, ifname }];
  });
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    // Given back meanwhile.
    if (hasErrno(error, 'ENOENT')) return '';
    throw error;
  }
}
