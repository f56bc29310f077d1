/** `--cidfile`: the file that tells a script which container it started. */
import { closeSync, constants, openSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { EngineError, hasErrno, quote } from '../errors.ts';

/** A file of ours that waits for the container's id. Disposed before that, it is removed again. */
export interface CidFile extends Disposable {
  /** Writes the id, without a newline; the file then stays, also after the container. */
  write(containerId: string): void;
}

/**
 * Makes the file at `path` (absolute), which must not exist: a second run must not take over the
 * file of a container that still lives.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export function claimCidFile(path: string | undefined): CidFile | undefined {
  if (path === undefined) return undefined;
  const fd = openNew(path);
  let isWritten = false;
  return {
    write: (containerId) => {
      writeSync(fd, containerId);
      isWritten = true;
    },
    [Symbol.dispose]: () => {
      closeSync(fd);
      if (!isWritten) unlinkSync(path);
    },
  };
}

/**
 * `--uuid-file-save`: writes the id, without a newline, over whatever is at `path`, so that a script
 * knows it even when the run fails.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export function saveContainerId(path: string | undefined, containerId: string): void {
  if (path === undefined) return;
  try {
    writeFileSync(path, containerId, { mode: 0o644 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('USAGE_INVALID', `cannot write the file ${quote(path)}: ${why}`);
  }
}

function openNew(path: string): number {
  const { O_WRONLY, O_CREAT, O_EXCL } = constants;
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_EXCL, 0o644);
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) {
      throw new EngineError('USAGE_INVALID', `the container id file ${quote(path)} exists`, {
        hint: 'Make sure that its container is not needed, and remove the file.',
      });
    }
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError(
      'USAGE_INVALID',
      `cannot make the container id file ${quote(path)}: ${why}`,
    );
  }
}
