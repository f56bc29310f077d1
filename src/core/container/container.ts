/** A container whose lock this process holds: one that it supervises, or has claimed to remove. */
import { readdirSync, renameSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { hasErrno } from '../errors.ts';
import type { FileLock } from '../host/file-lock.ts';
import { withSystemErrors } from '../host/libc.ts';
import type { ContainerId } from './container-id.ts';
import { releaseName } from './container-names.ts';
import { containerDir, exitFile, lockPath, removedDir } from './container-paths.ts';
import { type ContainerExit, type ContainerRecord, encodeExit } from './container-record.ts';

/** What a held container is made from; for the container module itself. */
export interface HeldContainer {
  readonly dataDir: string;
  readonly id: ContainerId;
  /** Undefined when the record is damaged; such a container can only be removed. */
  readonly record: ContainerRecord | undefined;
  readonly lock: FileLock;
}

/**
 * A container that nobody else can touch until this is disposed or the process ends. Disposing lets
 * go of it and leaves it where it is.
 */
export class Container implements Disposable {
  readonly id: ContainerId;
  /** The container's directory (absolute, 0700). */
  readonly directory: string;
  readonly record: ContainerRecord | undefined;
  readonly #dataDir: string;
  readonly #lock: FileLock;
  #isRemoved = false;

  constructor({ dataDir, id, record, lock }: HeldContainer) {
    this.id = id;
    this.directory = containerDir(dataDir, id);
    this.record = record;
    this.#dataDir = dataDir;
    this.#lock = lock;
  }

  /**
   * Writes down how the container ended. Readers see all of it or nothing; a power cut may lose it.
   *
   * @throws SystemCallError
   */
  recordExit(exit: ContainerExit): void {
    const path = exitFile(this.directory);
    withSystemErrors(`while writing ${path}`, () => {
      writeFileSync(`${path}.new`, encodeExit(exit), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    });
  }

  /**
   * Removes the container and all that is in its directory; its name is free afterwards. Nothing may
   * be mounted there. Idempotent. Killed in the middle, it leaves a directory that
   * `ContainerStore.sweepDead` removes.
   *
   * @throws SystemCallError
   */
  remove(): void {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    const removed = removedDir(this.#dataDir, this.id);
    withSystemErrors(`while removing ${this.directory}`, () => {
      // The name first: while the directory is there, nobody else takes it.
      if (this.record?.name !== undefined) releaseName(this.#dataDir, this.record.name, this.id);
      renameSync(this.directory, removed);
      removeLocked(removed);
    });
  }

  [Symbol.dispose](): void {
    this.#lock.release();
  }
}

/** Removes a directory whose lock the caller holds. The lock file goes last: it keeps others away. */
export function removeLocked(directory: string): void {
  for (const name of readdirSync(directory, 'buffer')) {
    if (name.toString('latin1') === 'lock') continue;
    rmSync(Buffer.concat([Buffer.from(`${directory}/`), name]), { recursive: true, force: true });
  }
  unlinkSync(lockPath(directory));
  try {
    rmdirSync(directory);
  } catch (error) {
    // Without the lock file others may have removed it, too, or have begun to.
    if (!hasErrno(error, 'ENOENT') && !hasErrno(error, 'ENOTEMPTY')) throw error;
  }
}
