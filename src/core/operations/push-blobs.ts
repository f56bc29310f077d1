/** The blobs of an image to a registry, several at once. */
import { EngineError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { OnProgress } from '../progress.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import type { BlobContent } from '../registry/upload-content.ts';
import { blobSize, openBlob } from '../store/blob-store.ts';

/** What pushing blobs needs besides them. */
export interface BlobsPush {
  readonly dataDir: string;
  readonly client: RegistryClient;
  readonly repository: string;
  /** A repository of the registry that may have a blob. */
  readonly mountFrom: (digest: Digest) => string | undefined;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal;
}

/** A blob that the registry has now. */
export interface PushedBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly outcome: 'existing' | 'mounted' | 'uploaded';
}

/** As many as fill a line; registries count requests. */
const BLOBS_AT_ONCE = 4;

/**
 * Brings every blob to the registry. The first failure cancels the others and is what is thrown.
 *
 * @returns one entry per blob, in the order of `blobs`.
 * @throws EngineError those of `RegistryClient.pushBlob`; `STORE_CORRUPT` for a blob that the registry
 * lacks and the store lacks too, or has damaged
 */
export async function pushBlobs(
  blobs: readonly Descriptor[],
  push: BlobsPush,
): Promise<readonly PushedBlob[]> {
  const failure = new AbortController();
  const signal =
    push.signal === undefined ? failure.signal : AbortSignal.any([push.signal, failure.signal]);
  const outcomes = new Map<Digest, PushedBlob>();
  const queue = [...blobs];
  let first: { readonly error: unknown } | undefined;
  const work = async (): Promise<void> => {
    try {
      for (let blob = queue.shift(); blob !== undefined; blob = queue.shift()) {
        signal.throwIfAborted();
        outcomes.set(blob.digest, await pushOne(blob, { ...push, signal }));
      }
    } catch (error) {
      first ??= { error };
      failure.abort(error);
    }
  };
  await Promise.all(Array.from({ length: BLOBS_AT_ONCE }, work));
  if (first !== undefined) throw first.error;
  return blobs.flatMap(({ digest }) => outcomes.get(digest) ?? []);
}

async function pushOne(
  blob: Descriptor,
  { dataDir, client, repository, mountFrom, onProgress, signal }: BlobsPush,
): Promise<PushedBlob> {
  const { digest, size } = blob;
  const from = mountFrom(digest);
  const outcome = await client.pushBlob(repository, blob, {
    content: storedContent(dataDir, blob),
    onSent: (transferredBytes) =>
      onProgress({ type: 'layer-transfer', digest, transferredBytes, totalBytes: size }),
    ...(from === undefined ? {} : { mountFrom: from }),
    ...(signal === undefined ? {} : { signal }),
  });
  onProgress({ type: 'blob-pushed', digest, outcome });
  return { digest, sizeBytes: size, outcome };
}

function storedContent(dataDir: string, { digest }: Descriptor): BlobContent {
  return {
    open: (offset) => {
      if (blobSize(dataDir, digest) === undefined) throw missing(digest);
      return openBlob(dataDir, digest, offset);
    },
    damaged: (error) => (error instanceof EngineError ? damaged(error) : error),
  };
}

function missing(digest: Digest): EngineError {
  return new EngineError(
    'STORE_CORRUPT',
    `the blob ${digest} is neither at the registry nor in the store, so the image cannot be pushed`,
    { hint: 'Fetch the image again.' },
  );
}

function damaged(cause: EngineError): EngineError {
  return new EngineError('STORE_CORRUPT', `${cause.message}: it is damaged in the store`, {
    hint: 'Run "dray image verify" to find all damage, and fetch the image again.',
    cause,
  });
}
