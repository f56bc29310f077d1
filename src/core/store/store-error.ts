/** Failures of the disk below the store, in words that a user can act on. */
import { EngineError, quote } from '../errors.ts';
import { isErrno } from '../host/libc.ts';

/**
 * Runs `work` and explains the failures of the disk that a user can do something about: no
 * space, read-only, no permission, input/output error. Everything else passes unchanged.
 *
 * @param doing completes "cannot …", such as `write the image summary`.
 * @throws EngineError `STORE_UNUSABLE`, `PERMISSION_DENIED`, and what `work` throws.
 */
export function withStoreErrors<T>(doing: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explainStoreError(doing, path, error);
  }
}

/** As `withStoreErrors`, for work that takes time. */
export async function withStoreErrorsAsync<T>(
  doing: string,
  path: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainStoreError(doing, path, error);
  }
}

/** Whether `error`, or what it explains, says that the disk or a quota is full. */
export function isDiskFull(error: unknown): boolean {
  const cause = error instanceof EngineError && error.cause !== undefined ? error.cause : error;
  return [error, cause].some((each) => isErrno(each, 'ENOSPC') || isErrno(each, 'EDQUOT'));
}

function explainStoreError(doing: string, path: string, error: unknown): unknown {
  const unusable = (why: string, hint: string) =>
    new EngineError('STORE_UNUSABLE', `cannot ${doing} ${quote(path)}: ${why}`, {
      hint,
      cause: error,
    });
  if (isErrno(error, 'ENOSPC') || isErrno(error, 'EDQUOT')) {
    return unusable(
      isErrno(error, 'ENOSPC') ? 'no space is left on the device' : 'the disk quota is used up',
      'Run "dray image gc", or remove images that you do not need with "dray image rm".',
    );
  }
  if (isErrno(error, 'EROFS')) {
    return unusable(
      'the file system is read-only',
      'Remount it for writing, or choose another store with "--root DIR".',
    );
  }
  if (isErrno(error, 'EIO')) {
    return unusable('the device reports an input/output error', 'Check the disk.');
  }
  if (isErrno(error, 'ELOOP')) {
    return unusable(
      'a symbolic link lies where the store keeps a file of its own',
      'Remove the symbolic link, or choose another store with "--root DIR".',
    );
  }
  if (isErrno(error, 'EACCES') || isErrno(error, 'EPERM')) {
    return new EngineError(
      'PERMISSION_DENIED',
      `cannot ${doing} ${quote(path)}: access is denied`,
      {
        hint: 'Run dray as root, or choose a store of your own with "--root DIR".',
        cause: error,
      },
    );
  }
  return error;
}
