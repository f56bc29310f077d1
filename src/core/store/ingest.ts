/**
 * Bringing one layer into the store: its blob, its layer data file, its layer index.
 *
 * | file in `ingest/` | content | after a kill |
 * |---|---|---|
 * | `<alg>-<hex>.lock` | flocked by the one process that transfers this blob | free |
 * | `<alg>-<hex>.blob` | bytes of the blob so far | kept: the next attempt goes on from there |
 * | `<alg>-<hex>.data` | layer data file so far | written anew |
 * | `<alg>-<hex>.index` | finished layer index | written anew |
 *
 * Bytes are synced before a file gets its final name, in the thread pool, so that other layers go on
 * meanwhile. The names become durable with the next `putReference`, once for the whole image. One
 * sync per file was chosen over syncfs(2) because that also waits for what other programs write.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { hasErrno } from '../errors.ts';
import { type AcquireOptions, FileLock } from '../host/file-lock.ts';
import type { DiffId, Digest } from '../oci/digest.ts';
import { LAYER_INDEX_HEADER_BYTES, layerFileSizes } from '../oci/layer-index.ts';
import { withStoreErrors, withStoreErrorsAsync } from './store-error.ts';
import { makingParent, renameIntoStore, unlinkIfThere } from './store-file.ts';
import { blobPath, ingestStem, layerDataPath, layerIndexPath } from './store-paths.ts';

const syncData = promisify(fdatasync);

/** What is to become of an ingest. */
export interface CommitLayer {
  /** The diffID that was computed, not the one that was claimed. */
  readonly diffId: DiffId;
  /** The encoded layer index. */
  readonly index: Buffer;
  /** Whether `blobFd` received the whole, verified blob, which then becomes a blob of the store. */
  readonly keepBlob: boolean;
}

/**
 * One layer on its way into the store. Only one process at a time has the ingest of a blob.
 *
 * Disposing without `commit` keeps the bytes of the blob that arrived and removes the rest.
 */
export class LayerIngest implements AsyncDisposable {
  /** Read and write; positioned writes only. */
  readonly blobFd: number;
  /** Empty at the start; positioned writes only. */
  readonly dataFd: number;
  /** Bytes of the blob that an earlier attempt left at the start of `blobFd`. Not verified. */
  readonly keptBytes: number;
  readonly #dataDir: string;
  readonly #digest: Digest;
  readonly #lock: FileLock;
  #isOpen = true;

  private constructor(dataDir: string, digest: Digest, lock: FileLock) {
    const stem = ingestStem(dataDir, digest);
    this.#dataDir = dataDir;
    this.#digest = digest;
    this.#lock = lock;
    this.blobFd = openPart(`${stem}.blob`);
    try {
      this.keptBytes = fstatSync(this.blobFd).size;
      this.dataFd = openPart(`${stem}.data`);
    } catch (error) {
      closeSync(this.blobFd);
      throw error;
    }
    ftruncateSync(this.dataFd, 0);
  }

  /**
   * Takes the ingest of the blob `digest`; waits while another process has it, and tells `onWait`
   * once. Afterwards the layer may be complete: look again with `hasLayer` and `hasBlob`.
   *
   * @throws EngineError `STORE_UNUSABLE`, `PERMISSION_DENIED`, and the reason of `signal`
   */
  static async begin(
    dataDir: string,
    digest: Digest,
    options: AcquireOptions = {},
  ): Promise<LayerIngest> {
    const path = `${ingestStem(dataDir, digest)}.lock`;
    return withStoreErrorsAsync('begin a transfer in', path, async () => {
      options.signal?.throwIfAborted();
      const free = makingParent(path, () => FileLock.tryAcquire(path, 'exclusive'));
      const lock = free ?? (await FileLock.acquire(path, 'exclusive', options));
      try {
        return new LayerIngest(dataDir, digest, lock);
      } catch (error) {
        lock.release();
        throw error;
      }
    });
  }

  /**
   * Makes the layer, and with `keepBlob` its blob, part of the store. Replaces what is there under
   * these names: the bytes of a layer data file follow from the diffID and the store's version, so
   * that who comes second changes nothing. The index comes last: it says that the rest is complete.
   * Ends the ingest. After a crash the store holds the layer or the blob or both, each complete.
   *
   * @throws EngineError `STORE_UNUSABLE`; nothing of the ingest is kept then
   */
  async commit(commit: CommitLayer): Promise<void> {
    const path = layerDataPath(this.#dataDir, commit.diffId);
    try {
      await withStoreErrorsAsync('store the layer', path, () => this.#publish(commit));
    } finally {
      // After a sync that failed the kernel may have dropped the bytes and call them clean: they
      // are no beginning for another attempt.
      this.discard();
    }
  }

  async #publish({ diffId, index, keepBlob }: CommitLayer): Promise<void> {
    const stem = ingestStem(this.#dataDir, this.#digest);
    const indexFd = openPart(`${stem}.index`);
    try {
      ftruncateSync(indexFd, 0);
      writeFileSync(indexFd, index);
      const written = [this.dataFd, indexFd, ...(keepBlob ? [this.blobFd] : [])];
      await settleAll(written.map((fd) => syncData(fd)));
    } finally {
      closeSync(indexFd);
    }
    if (keepBlob) renameIntoStore(`${stem}.blob`, blobPath(this.#dataDir, this.#digest));
    renameIntoStore(`${stem}.data`, layerDataPath(this.#dataDir, diffId));
    renameIntoStore(`${stem}.index`, layerIndexPath(this.#dataDir, diffId));
  }

  /**
   * Ends the ingest and removes the bytes that arrived, too: to be used when they turned out not to
   * be what the digest says. Idempotent.
   */
  discard(): void {
    this.#end(['blob', 'data', 'index', 'lock']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { size } = this.#isOpen ? fstatSync(this.blobFd) : { size: 0 };
    this.#end(size > 0 ? ['data', 'index', 'lock'] : ['blob', 'data', 'index', 'lock']);
  }

  #end(removed: readonly string[]): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.blobFd);
    closeSync(this.dataFd);
    try {
      // The lock file last: until then nobody else can take this ingest.
      for (const part of removed)
        unlinkIfThere(`${ingestStem(this.#dataDir, this.#digest)}.${part}`);
    } finally {
      this.#lock.release();
    }
  }
}

/** Waits for all before it fails: a descriptor must not be closed while a sync of it runs. */
async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

function openPart(path: string): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  // The umask may have taken bits that we need.
  fchmodSync(fd, 0o600);
  return fd;
}

/**
 * Whether the store has a layer: index and data file are there and as long as the index says. Their
 * contents are not read.
 */
export function hasLayer(dataDir: string, diffId: DiffId): boolean {
  const path = layerIndexPath(dataDir, diffId);
  return withStoreErrors('look for the layer', path, () => {
    const sizes = statedSizes(path);
    if (sizes === undefined) return false;
    const data = lstatSync(layerDataPath(dataDir, diffId), { throwIfNoEntry: false });
    return data?.isFile() === true && data.size === sizes.dataBytes;
  });
}

function statedSizes(path: string): { readonly dataBytes: number } | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    const header = Buffer.alloc(LAYER_INDEX_HEADER_BYTES);
    const count = readSync(fd, header, 0, header.length, 0);
    const sizes = layerFileSizes(header.subarray(0, count));
    return sizes?.indexBytes === fstatSync(fd).size ? sizes : undefined;
  } finally {
    closeSync(fd);
  }
}

/**
 * Removes a layer. The index goes first, so that a crash leaves no layer that looks complete.
 * Idempotent. The caller knows that nothing needs it; a file that is mounted stays readable.
 */
export function removeLayer(dataDir: string, diffId: DiffId): void {
  const path = layerIndexPath(dataDir, diffId);
  withStoreErrors('remove the layer', path, () => {
    unlinkIfThere(path);
    unlinkIfThere(layerDataPath(dataDir, diffId));
  });
}
