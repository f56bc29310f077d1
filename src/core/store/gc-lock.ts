/**
 * The lock between garbage collection and everything that comes to need what the store holds.
 *
 * Whoever is about to rely on something that nothing names yet holds it shared until something does:
 * a `run` from reading the reference until its container exists, a fetch while it writes its lease.
 * Collection holds it exclusively from reading the roots to removing the rest. It is never held
 * during a transfer. The lock is flock(2) on `lock`: the kernel frees it when its holder ends.
 */
import { type AcquireOptions, FileLock } from '../host/file-lock.ts';
import { withStoreErrors, withStoreErrorsAsync } from './store-error.ts';
import { gcLockPath } from './store-paths.ts';

/**
 * Takes the gc lock shared without waiting; undefined while a collection is under way. The caller
 * releases it.
 *
 * @throws EngineError `STORE_UNUSABLE` (a read-only store among others), `PERMISSION_DENIED`
 */
export function tryAcquireShared(dataDir: string): FileLock | undefined {
  const path = gcLockPath(dataDir);
  return withStoreErrors('lock', path, () => FileLock.tryAcquire(path, 'shared'));
}

/**
 * Takes the gc lock shared; waits for a collection to end. The caller releases it.
 *
 * @throws EngineError as `tryAcquireShared`, and the reason of `signal`
 */
export async function acquireShared(
  dataDir: string,
  options: AcquireOptions = {},
): Promise<FileLock> {
  return acquire(dataDir, 'shared', options);
}

/**
 * Takes the gc lock alone; waits for all holders. The caller releases it.
 *
 * @throws EngineError as `tryAcquireShared`, and the reason of `signal`
 */
export async function acquireExclusive(
  dataDir: string,
  options: AcquireOptions = {},
): Promise<FileLock> {
  return acquire(dataDir, 'exclusive', options);
}

function acquire(
  dataDir: string,
  mode: 'shared' | 'exclusive',
  options: AcquireOptions,
): Promise<FileLock> {
  const path = gcLockPath(dataDir);
  return withStoreErrorsAsync('lock', path, () => FileLock.acquire(path, mode, options));
}
