/** Bringing a blob into the store that is small enough to be held in memory, such as a config. */
import { EngineError } from '../errors.ts';
import { type AcquireOptions, FileLock } from '../host/file-lock.ts';
import { algorithmOf, type Digest } from '../oci/digest.ts';
import { putSmallBlob, readSmallBlob } from './blob-store.ts';
import { withStoreErrorsAsync } from './store-error.ts';
import { makingParent, unlinkIfThere } from './store-file.ts';
import { ingestStem } from './store-paths.ts';

/** What `transferSmallBlob` needs. */
export interface SmallBlobTransfer extends AcquireOptions {
  readonly digest: Digest;
  readonly maxBytes: number;
  /** Gets the bytes from their source, verified. */
  readonly transfer: () => Promise<Buffer>;
}

/**
 * The bytes of a small blob: the store's own, or those that `transfer` brings, which the store then
 * has. Of several processes that want the same blob one transfers it and the others wait. A blob
 * that is damaged in the store is transferred again. The caller holds a lease on it.
 *
 * @throws EngineError `STORE_UNUSABLE`, what `transfer` throws, and the reason of `signal`
 */
export async function transferSmallBlob(
  dataDir: string,
  { digest, maxBytes, transfer, ...waiting }: SmallBlobTransfer,
): Promise<Buffer> {
  const stored = readIfWhole(dataDir, digest, maxBytes);
  if (stored !== undefined) return stored;
  const path = `${ingestStem(dataDir, digest)}.lock`;
  const lock = await withStoreErrorsAsync('begin a transfer in', path, async () => {
    const free = makingParent(path, () => FileLock.tryAcquire(path, 'exclusive'));
    return free ?? (await FileLock.acquire(path, 'exclusive', waiting));
  });
  try {
    const meanwhile = readIfWhole(dataDir, digest, maxBytes);
    if (meanwhile !== undefined) return meanwhile;
    const bytes = await transfer();
    putSmallBlob(dataDir, bytes, algorithmOf(digest));
    return bytes;
  } finally {
    unlinkIfThere(path);
    lock.release();
  }
}

function readIfWhole(dataDir: string, digest: Digest, maxBytes: number): Buffer | undefined {
  try {
    return readSmallBlob(dataDir, digest, maxBytes);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'STORE_CORRUPT') return undefined;
    throw error;
  }
}
