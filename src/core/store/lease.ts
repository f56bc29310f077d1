/**
 * Leases: what running commands need of the store although nothing names it yet.
 *
 * A lease is a file in `ingest/` that its holder keeps flocked; each line is one digest. When the
 * holder ends, however it ends, the lock is free and the lease is void. Collection reads the live
 * leases while it has the gc lock alone, and a lease grows only under the shared gc lock. So either
 * collection sees a digest in the lease, or `hold` returns after the collection and `hasBlob` and
 * `hasLayer` tell what is left.
 */
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { type AcquireOptions, FileLock } from '../host/file-lock.ts';
import { type ChainId, type DiffId, type Digest, isDigest } from '../oci/digest.ts';
import { listNames } from './blob-store.ts';
import { acquireShared } from './gc-lock.ts';
import { withStoreErrors, withStoreErrorsAsync } from './store-error.ts';
import { makingParent, readStoreFile, unlinkIfThere } from './store-file.ts';
import { ingestDir } from './store-paths.ts';

/** Whatever names something in the store. */
export type ContentId = Digest | DiffId | ChainId;

const SUFFIX = '.lease';
const MAX_LEASE_BYTES = 16 * 1024 * 1024;

/** Keeps content from being collected. Ends by disposal or with the process. */
export class Lease implements Disposable {
  readonly #dataDir: string;
  readonly #path: string;
  readonly #lock: FileLock;
  #isOpen = true;

  private constructor(dataDir: string, path: string, lock: FileLock) {
    this.#dataDir = dataDir;
    this.#path = path;
    this.#lock = lock;
  }

  /** Opens a lease that holds nothing yet. @throws EngineError `STORE_UNUSABLE`, `PERMISSION_DENIED` */
  static open(dataDir: string): Lease {
    const directory = ingestDir(dataDir);
    return withStoreErrors('open a lease in', directory, () => {
      for (;;) {
        const path = join(directory, randomBytes(8).toString('hex') + SUFFIX);
        const lock = makingParent(path, () => FileLock.tryAcquire(path, 'exclusive'));
        // Undefined: a collector caught the file in the instant before it was locked.
        if (lock !== undefined) return new Lease(dataDir, path, lock);
      }
    });
  }

  /**
   * Adds to what the lease holds; waits for a collection that is under way. What was in the store
   * before may be gone afterwards, so look for it after this.
   *
   * @throws EngineError `STORE_UNUSABLE`, and the reason of `signal`
   */
  async hold(contents: Iterable<ContentId>, options: AcquireOptions = {}): Promise<void> {
    using _shared = await acquireShared(this.#dataDir, options);
    const lines = Buffer.from([...contents].map((id) => `${id}\n`).join(''));
    await withStoreErrorsAsync('write', this.#path, async () => {
      for (let at = 0; at < lines.length; ) at += writeSync(this.#lock.fd, lines, at);
    });
  }

  /** Ends the lease. Idempotent. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      unlinkIfThere(this.#path);
    } finally {
      this.#lock.release();
    }
  }
}

/**
 * Everything that live leases hold. Removes the files of dead ones. Only under the exclusive gc
 * lock.
 */
export function readLeases(dataDir: string): Set<ContentId> {
  const held = new Set<ContentId>();
  for (const name of listNames(ingestDir(dataDir))) {
    if (!name.endsWith(SUFFIX)) continue;
    const path = join(ingestDir(dataDir), name);
    using lock = FileLock.tryAcquire(path, 'exclusive');
    if (lock !== undefined) unlinkIfThere(path);
    else for (const id of leaseLines(path)) held.add(id);
  }
  return held;
}

function leaseLines(path: string): ContentId[] {
  const text = readStoreFile(path, MAX_LEASE_BYTES)?.toString('latin1') ?? '';
  return text.split('\n').filter(isDigest);
}
