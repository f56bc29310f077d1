/** Where networks are kept: what is decided below the data directory, what lives below the volatile one. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type AcquireOptions, FileLock, type LockMode } from '../host/file-lock.ts';
import { withSystemErrors } from '../host/libc.ts';
import type { EngineSettings } from './engine.ts';

/** Everything that the work on networks needs from outside; plain JSON. Paths are absolute. */
export interface NetworkPlaces {
  readonly dataDir: string;
  /** Volatile state of this data directory's networks. */
  readonly stateDir: string;
  /** Where plugins are looked for. */
  readonly pluginDirs: readonly string[];
  /** Configurations of the host's administrator. */
  readonly configDir: string;
}

const PLUGIN_DIRS = ['/opt/cni/bin', '/usr/lib/cni'];
const CONFIG_DIR = '/etc/dray/net.d';
const KEY_DIGITS = 12;

/** The places that settings name. */
export function networkPlaces({ dataDir, runDir, network }: EngineSettings): NetworkPlaces {
  const key = createHash('sha256').update(dataDir).digest('hex').slice(0, KEY_DIGITS);
  return {
    dataDir,
    stateDir: join(runDir, 'networks', key),
    pluginDirs: network?.pluginDirs ?? PLUGIN_DIRS,
    configDir: network?.configDir ?? CONFIG_DIR,
  };
}

/** Where host-local keeps the addresses that it has given out. */
export function leasesDir({ stateDir }: NetworkPlaces): string {
  return join(stateDir, 'leases');
}

/**
 * Locks of networks. `use`: shared while an interface is made, exclusive while a bridge goes.
 * `records`: exclusive while networks are decided. `rules`: exclusive while the packet filter and
 * hosts files are brought up to date.
 */
export type NetworkLock = 'use' | 'records' | 'rules';

/** Waits for a lock; the caller disposes it. @throws SystemCallError, and the reason of `signal` */
export async function lockNetworks(
  places: NetworkPlaces,
  which: NetworkLock,
  mode: LockMode,
  options: AcquireOptions = {},
): Promise<FileLock> {
  makeStateDir(places);
  return await FileLock.acquire(join(places.stateDir, `${which}.lock`), mode, options);
}

/** The same without waiting: undefined when it is held. */
export function tryLockNetworks(
  places: NetworkPlaces,
  which: NetworkLock,
  mode: LockMode,
): FileLock | undefined {
  makeStateDir(places);
  return FileLock.tryAcquire(join(places.stateDir, `${which}.lock`), mode);
}

function makeStateDir({ stateDir }: NetworkPlaces): void {
  withSystemErrors('while making the directory of networks', () =>
    mkdirSync(stateDir, { recursive: true, mode: 0o700 }),
  );
}
