/**
 * Changing a file with credentials while others read and change it.
 *
 * Readers need no lock: the file is replaced, never written to. Writers take turns by a lock file
 * beside it, `FILE.lock`, which is gone again afterwards; docker and podman do not know this lock.
 */
import { lchownSync, lstatSync, mkdirSync, realpathSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { writeFileAtomic } from '../host/atomic-file.ts';
import { FileLock } from '../host/file-lock.ts';
import { type AuthFileContent, type JsonObject, readAuthFile } from './auth-file.ts';
import type { AuthFile } from './registry-settings.ts';

/** Gives the new `auths`, or undefined to leave the file alone. */
export type AuthFileChange = (
  content: AuthFileContent,
) => Promise<JsonObject | undefined> | JsonObject | undefined;

/**
 * Replaces the entries of a file, and makes the file where there is none. Its other fields stay, its
 * mode becomes 0600, and its owner stays. A symbolic link stays too: what it leads to is replaced.
 * After a crash the file has its old content or the new one.
 *
 * @throws EngineError `CONFIG_INVALID` for a broken file, which is left as it is; `PERMISSION_DENIED`;
 * `HOST_CALL_FAILED`; what `change` throws; the reason of `signal`.
 */
export async function editAuthFile(
  file: AuthFile,
  change: AuthFileChange,
  signal?: AbortSignal,
): Promise<void> {
  try {
    mkdirSync(dirname(file.path), { recursive: true, mode: 0o700 });
    const path = targetOf(file.path);
    const lockFile = `${path}.lock`;
    using _lock = await FileLock.acquire(lockFile, 'exclusive', signal ? { signal } : {});
    try {
      const content = readAuthFile({ ...file, path });
      const auths = await change(content);
      if (auths !== undefined) replace(path, { ...content.document, auths });
    } finally {
      // While it is ours: whoever waits for it notices and takes the next one.
      unlinkSync(lockFile);
    }
  } catch (error) {
    throw isDenied(error) ? denied(file.path, error) : error;
  }
}

function targetOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return path;
    throw error;
  }
}

function replace(path: string, document: JsonObject): void {
  const before = lstatSync(path, { throwIfNoEntry: false });
  writeFileAtomic(path, `${JSON.stringify(document, null, '\t')}\n`, { mode: 0o600 });
  // Under sudo the file is mostly not root's.
  if (before !== undefined && before.uid !== lstatSync(path).uid) {
    lchownSync(path, before.uid, before.gid);
  }
}

function isDenied(error: unknown): boolean {
  const errno = error instanceof EngineError && 'errno' in error ? error.errno : undefined;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return [errno, code].some((name) => name === 'EACCES' || name === 'EPERM' || name === 'EROFS');
}

function denied(path: string, cause: unknown): EngineError {
  return new EngineError(
    'PERMISSION_DENIED',
    `the file with credentials ${quote(path)} cannot be written`,
    { hint: 'Check the owner of its directory, or name another file with --authfile.', cause },
  );
}
