/** Merged root file systems: metadata images, and materialised trees. Both are derived. */
import { closeSync, constants, lstatSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { hasErrno } from '../errors.ts';
import { type AcquireOptions, FileLock } from '../host/file-lock.ts';
import { isErrno, syncFilesystem } from '../host/libc.ts';
import type { ChainId } from '../oci/digest.ts';
import { withStoreErrors, withStoreErrorsAsync } from './store-error.ts';
import { makingParent, renameIntoStore, unlinkIfThere, writeStoreFile } from './store-file.ts';
import { rootfsDirectoryPath, rootfsImagePath, rootfsIngestStem } from './store-paths.ts';

/** Whether the store has the metadata image of this stack of layers. */
export function hasRootfsImage(dataDir: string, chainId: ChainId): boolean {
  const path = rootfsImagePath(dataDir, chainId);
  return withStoreErrors('look for', path, () => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found?.isFile() === true && found.size > 0;
  });
}

/**
 * Stores the metadata image of a stack of layers. Replaces one that is there. Its name is durable
 * after the next `putReference`.
 *
 * @throws EngineError `STORE_UNUSABLE`
 */
export function putRootfsImage(dataDir: string, chainId: ChainId, bytes: Uint8Array): void {
  writeStoreFile(dataDir, rootfsImagePath(dataDir, chainId), bytes, { mode: 0o400 });
}

/** Whether the store has the materialised tree of this stack of layers. */
export function hasRootfsDirectory(dataDir: string, chainId: ChainId): boolean {
  const path = rootfsDirectoryPath(dataDir, chainId);
  return withStoreErrors('look for', path, () => {
    return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  });
}

/** A tree on its way into the store. Disposing without `commit` removes it. */
export class RootfsIngest implements Disposable {
  /** The empty directory (0700) to put the tree into. */
  readonly directory: string;
  readonly #dataDir: string;
  readonly #chainId: ChainId;
  readonly #lock: FileLock;
  #isOpen = true;

  private constructor(dataDir: string, chainId: ChainId, lock: FileLock) {
    this.#dataDir = dataDir;
    this.#chainId = chainId;
    this.#lock = lock;
    this.directory = `${rootfsIngestStem(dataDir, chainId)}.dir`;
    rmSync(this.directory, { recursive: true, force: true });
    mkdirSync(this.directory, { mode: 0o700 });
  }

  /**
   * Takes the right to materialise a stack of layers; waits while another process has it. Afterwards
   * the tree may be there: look again with `hasRootfsDirectory`.
   *
   * @throws EngineError `STORE_UNUSABLE`, and the reason of `signal`
   */
  static async begin(
    dataDir: string,
    chainId: ChainId,
    options: AcquireOptions = {},
  ): Promise<RootfsIngest> {
    const path = `${rootfsIngestStem(dataDir, chainId)}.lock`;
    return withStoreErrorsAsync('materialise a tree in', path, async () => {
      options.signal?.throwIfAborted();
      const free = makingParent(path, () => FileLock.tryAcquire(path, 'exclusive'));
      const lock = free ?? (await FileLock.acquire(path, 'exclusive', options));
      try {
        return new RootfsIngest(dataDir, chainId, lock);
      } catch (error) {
        lock.release();
        throw error;
      }
    });
  }

  /**
   * Syncs the file system that the store lies on, then gives the tree its name, so that a tree with
   * a name is complete even after a power cut. Ends the ingest. Keeps a tree that is there already.
   */
  commit(): void {
    const path = rootfsDirectoryPath(this.#dataDir, this.#chainId);
    withStoreErrors('store the tree', path, () => {
      const fd = openSync(this.directory, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        syncFilesystem(fd);
      } finally {
        closeSync(fd);
      }
      try {
        renameIntoStore(this.directory, path);
      } catch (error) {
        if (!isErrno(error, 'ENOTEMPTY') && !hasErrno(error, 'EEXIST')) throw error;
      }
    });
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      rmSync(this.directory, { recursive: true, force: true });
      unlinkIfThere(`${rootfsIngestStem(this.#dataDir, this.#chainId)}.lock`);
    } finally {
      this.#lock.release();
    }
  }
}
