/** Taking files out of the store, and counting what that frees. */
import { randomBytes } from 'node:crypto';
import { lstatSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { extname, join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { FileLock } from '../host/file-lock.ts';
import type { ChainId, DiffId, Digest, ImageId } from '../oci/digest.ts';
import { listNames } from './blob-store.ts';
import { unlinkIfThere } from './store-file.ts';
import {
  blobPath,
  imageSummaryPath,
  ingestDir,
  layerDataPath,
  layerIndexPath,
  rootfsDirectoryPath,
  rootfsImagePath,
} from './store-paths.ts';

/** What a collection or a removal has taken out of the store. */
export interface Collected {
  /** A materialised tree counts as one. */
  readonly removedFiles: number;
  /** Bytes on disk of removed files; those of materialised trees are not counted. */
  readonly freedBytes: number;
}

/**
 * Removes content of one store. Every method is idempotent, and every order of removal is safe
 * against a kill: what is left is unreachable, not damaged.
 *
 * Materialised trees only lose their name at first, which takes no time; `emptyTrash` removes them,
 * and needs no lock of the caller.
 */
export class ContentRemover {
  readonly #dataDir: string;
  readonly #trash: string[] = [];
  #removedFiles = 0;
  #freedBytes = 0;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** What was removed so far. */
  get collected(): Collected {
    return { removedFiles: this.#removedFiles, freedBytes: this.#freedBytes };
  }

  removeSummary(imageId: ImageId): void {
    this.#unlink(imageSummaryPath(this.#dataDir, imageId));
  }

  removeRootfs(chainId: ChainId): void {
    this.#unlink(rootfsImagePath(this.#dataDir, chainId));
    const directory = rootfsDirectoryPath(this.#dataDir, chainId);
    const stem = join(ingestDir(this.#dataDir), randomBytes(8).toString('hex'));
    try {
      renameSync(directory, `${stem}.dir`);
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return;
      throw error;
    }
    this.#trash.push(stem);
  }

  /** The index goes first: a layer without index is no layer. */
  removeLayer(diffId: DiffId): void {
    this.#unlink(layerIndexPath(this.#dataDir, diffId));
    this.#unlink(layerDataPath(this.#dataDir, diffId));
  }

  removeBlob(digest: Digest): void {
    this.#unlink(blobPath(this.#dataDir, digest));
  }

  /** Removes the trees that `removeRootfs` has renamed. */
  emptyTrash(): void {
    for (const stem of this.#trash.splice(0)) this.#removeUnheld(stem, [`${stem}.dir`]);
  }

  /**
   * Removes everything in `ingest/` whose writer is gone. `X.lock` guards every `X.*`; a `.tmp` or
   * `.lease` file guards itself. Needs no lock of the caller: what is being written is held.
   */
  sweepIngest(): void {
    const directory = ingestDir(this.#dataDir);
    const groups = new Map<string, string[]>();
    for (const name of listNames(directory)) {
      const isSelfGuarded = /\.(tmp|lease)$/.test(name);
      const stem = isSelfGuarded ? name : name.slice(0, name.length - extname(name).length);
      const group = groups.get(stem) ?? [];
      groups.set(stem, group);
      if (!isSelfGuarded) group.push(join(directory, name));
    }
    for (const [name, parts] of groups) {
      const stem = join(directory, name);
      if (parts.length === 0) this.#removeUnheldFile(stem);
      else this.#removeUnheld(stem, parts);
    }
  }

  #removeUnheldFile(path: string): void {
    using lock = FileLock.tryAcquire(path, 'exclusive');
    if (lock !== undefined) this.#unlink(path);
  }

  #removeUnheld(stem: string, parts: readonly string[]): void {
    const guard = `${stem}.lock`;
    using lock = FileLock.tryAcquire(guard, 'exclusive');
    if (lock === undefined) return;
    for (const part of parts) if (part !== guard) this.#remove(part);
    // Last, so that nobody begins to write parts that are about to be removed.
    unlinkIfThere(guard);
  }

  #remove(path: string): void {
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
      rmSync(path, { recursive: true, force: true });
      this.#removedFiles += 1;
    } else {
      this.#unlink(path);
    }
  }

  #unlink(path: string): void {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return;
    unlinkSync(path);
    this.#removedFiles += 1;
    if (found.nlink === 1) this.#freedBytes += found.blocks * 512;
  }
}
