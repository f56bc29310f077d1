/** Blobs by digest. A blob that has its name is complete and was verified when it came. */
import { lstatSync, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, hasErrno } from '../errors.ts';
import {
  algorithmOf,
  type Digest,
  type DigestAlgorithm,
  digestOf,
  isDigest,
} from '../oci/digest.ts';
import { withStoreErrors, withStoreErrorsAsync } from './store-error.ts';
import { readStoreFile, unlinkIfThere, writeStoreFile } from './store-file.ts';
import { blobPath, blobsDir } from './store-paths.ts';

const READ_BYTES = 1024 * 1024;

/** Whether the store has a blob under this digest. Its bytes are not read. */
export function hasBlob(dataDir: string, digest: Digest): boolean {
  return blobSize(dataDir, digest) !== undefined;
}

/** Bytes of a blob; undefined when the store has none under this digest. */
export function blobSize(dataDir: string, digest: Digest): number | undefined {
  const path = blobPath(dataDir, digest);
  return withStoreErrors('look for the blob', path, () => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found?.isFile() ? found.size : undefined;
  });
}

/**
 * The bytes of a blob from `offset` on, 1 MiB at a time, each time in a buffer of its own. The file is opened by the
 * first read and closed when the iteration ends, however it ends. Not verified: whoever takes bytes
 * from here to make something else of them verifies.
 *
 * @throws EngineError `STORE_CORRUPT` when the blob is missing
 */
export async function* openBlob(
  dataDir: string,
  digest: Digest,
  offset = 0,
): AsyncGenerator<Buffer> {
  const path = blobPath(dataDir, digest);
  await using file = await withStoreErrorsAsync('read the blob', path, async () => {
    try {
      return await open(path, 'r');
    } catch (error) {
      throw hasErrno(error, 'ENOENT') ? missing(digest) : error;
    }
  });
  for (let position = offset; ; ) {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const at = position;
    const { bytesRead } = await withStoreErrorsAsync('read the blob', path, () =>
      file.read(buffer, 0, READ_BYTES, at),
    );
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/**
 * The bytes of a small blob, verified.
 *
 * @throws EngineError `STORE_CORRUPT` when it is missing, longer than `maxBytes`, or not what its
 *   digest says
 */
export function readSmallBlob(dataDir: string, digest: Digest, maxBytes: number): Buffer {
  const bytes = readStoreFile(blobPath(dataDir, digest), maxBytes);
  if (bytes === undefined) throw missing(digest);
  const found = digestOf(bytes, algorithmOf(digest));
  if (found === digest) return bytes;
  throw new EngineError(
    'STORE_CORRUPT',
    `the blob ${digest} has changed in the store: its bytes have the digest ${found}`,
    { hint: 'Run "dray image verify" to find all damage, and fetch the image again.' },
  );
}

function missing(digest: Digest): EngineError {
  return new EngineError('STORE_CORRUPT', `the blob ${digest} is missing in the store`, {
    hint: 'Fetch the image again.',
  });
}

/**
 * Stores bytes that are in memory, under the digest that they have, and returns that. Idempotent;
 * a damaged blob of that digest is replaced. Its name is durable after the next `putReference`.
 *
 * @throws EngineError `STORE_UNUSABLE`
 */
export function putSmallBlob(
  dataDir: string,
  bytes: Uint8Array,
  algorithm: DigestAlgorithm = 'sha256',
): Digest {
  const digest = digestOf(bytes, algorithm);
  const path = blobPath(dataDir, digest);
  const existing = readExisting(path, bytes.length);
  if (existing?.equals(bytes) !== true) writeStoreFile(dataDir, path, bytes);
  return digest;
}

function readExisting(path: string, sizeBytes: number): Buffer | undefined {
  try {
    return readStoreFile(path, sizeBytes);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'STORE_CORRUPT') return undefined;
    throw error;
  }
}

/** Removes a blob. Idempotent; true when it was there. The caller knows that nothing needs it. */
export function removeBlob(dataDir: string, digest: Digest): boolean {
  const path = blobPath(dataDir, digest);
  return withStoreErrors('remove the blob', path, () => unlinkIfThere(path));
}

/** The digests under which the store has blobs. Names that are no digests are left out. */
export function listBlobs(dataDir: string): Digest[] {
  const directory = blobsDir(dataDir);
  return withStoreErrors('list', directory, () =>
    listNames(directory).flatMap((algorithm) =>
      listNames(join(directory, algorithm))
        .map((hex) => `${algorithm}:${hex}`)
        .filter(isDigest),
    ),
  );
}

/** The names in a directory; none when it is missing or no directory. */
export function listNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return [];
    throw error;
  }
}
