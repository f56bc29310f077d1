/** `image save`: images of the store as one archive, from which docker, podman, skopeo and dray read them. */
import { EngineError } from '../errors.ts';
import {
  ARCHIVE_END,
  type ArchiveFormat,
  archiveBlobs,
  archiveDocuments,
  memberHeader,
  memberPadding,
  type SavedImage,
} from '../layout/archive-writer.ts';
import { layoutBlobName } from '../layout/oci-layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { DigestVerifier } from '../oci/digest-verifier.ts';
import { parseManifestDocument } from '../oci/image-manifest.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import { blobSize, openBlob, readSmallBlob } from '../store/blob-store.ts';
import type { ImageRecord } from '../store/image-store.ts';
import { Lease } from '../store/lease.ts';
import { resolveImage } from '../store/resolve.ts';
import type { Engine } from './engine.ts';

export type { ArchiveFormat } from '../layout/archive-writer.ts';

/** Options of `saveImages`. */
export interface SaveOptions {
  readonly format?: ArchiveFormat;
  readonly signal?: AbortSignal;
}

/**
 * The bytes of an archive that holds the images, each blob once and as the store has it. An image
 * that is named by a reference has that name in the archive, one that is named by its id has all its
 * names; names by digest are left out, since no reader of archives takes them.
 *
 * Before the first byte is given, all images are found and all their blobs are there; every blob is
 * verified while it is read. Collection leaves them alone meanwhile.
 *
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_AMBIGUOUS`, `STORE_CORRUPT`, `STORE_UNUSABLE`, and
 *   the reason of `signal`
 */
export async function* saveImages(
  engine: Engine,
  inputs: readonly string[],
  { format = 'combined', signal }: SaveOptions = {},
): AsyncGenerator<Buffer> {
  const { dataDir } = engine.settings;
  using lease = Lease.open(dataDir);
  const waiting = signal === undefined ? {} : { signal };
  const found = savedImages(engine, inputs);
  await lease.hold(
    archiveBlobs(found, 'combined').map(({ digest }) => digest),
    waiting,
  );
  const blobs = archiveBlobs(found, format);
  for (const blob of blobs) requireBlob(dataDir, blob);
  for (const { name, bytes } of archiveDocuments(found, format)) {
    yield Buffer.concat([memberHeader(name, bytes.length), bytes, memberPadding(bytes.length)]);
  }
  for (const blob of blobs) {
    yield memberHeader(layoutBlobName(blob.digest), blob.size);
    yield* verifiedBlob(dataDir, blob, signal);
    yield memberPadding(blob.size);
  }
  yield ARCHIVE_END;
}

/** In the order in which they were asked for; what names the same image is one. */
function savedImages(engine: Engine, inputs: readonly string[]): SavedImage[] {
  const records = engine.store.readReferences();
  const images = new Map<string, SavedImage>();
  for (const record of inputs.flatMap((input) => resolveImage(records, input))) {
    const key = record.manifest.digest;
    const image = images.get(key) ?? describe(engine.settings.dataDir, record);
    const references = new Set(image.references);
    if (record.reference?.includes('@') === false) references.add(record.reference);
    images.set(key, { ...image, references: [...references] });
  }
  return [...images.values()];
}

function describe(dataDir: string, { manifest: descriptor }: ImageRecord): SavedImage {
  const where = `manifest ${descriptor.digest}`;
  const bytes = readSmallBlob(dataDir, descriptor.digest, MAX_DOCUMENT_BYTES);
  const document = parseManifestDocument(bytes, descriptor.mediaType, where);
  if (document.kind !== 'manifest') {
    throw new EngineError(
      'STORE_CORRUPT',
      `${where} is an index; expected the manifest of an image`,
    );
  }
  const { config, layers } = document.manifest;
  return { manifest: { ...descriptor, size: bytes.length }, config, layers, references: [] };
}

function requireBlob(dataDir: string, { digest, size }: Descriptor): void {
  const found = blobSize(dataDir, digest);
  if (found === size) return;
  const has = found === undefined ? 'is missing in the store' : `has ${found} bytes in the store`;
  throw damaged(`the blob ${digest} of ${size} bytes ${has}`, undefined);
}

async function* verifiedBlob(
  dataDir: string,
  blob: Descriptor,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const verifier = new DigestVerifier(blob, `the blob ${blob.digest} of the store`);
  try {
    for await (const bytes of openBlob(dataDir, blob.digest)) {
      signal?.throwIfAborted();
      verifier.update(bytes);
      yield bytes;
    }
    verifier.end();
  } catch (error) {
    const isDamage =
      error instanceof EngineError &&
      (error.code === 'DIGEST_MISMATCH' || error.code === 'SIZE_MISMATCH');
    throw isDamage ? damaged(error.message, error) : error;
  }
}

function damaged(message: string, cause: EngineError | undefined): EngineError {
  return new EngineError('STORE_CORRUPT', message, {
    hint: 'Run "dray image verify" to find all damage, and fetch the image again.',
    ...(cause === undefined ? {} : { cause }),
  });
}
