/** `image inspect`: what an image says of itself. */

import type { Digest, ImageId } from '../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import { formatPlatform } from '../oci/platform.ts';
import { readSmallBlob } from '../store/blob-store.ts';
import { resolveImage } from '../store/resolve.ts';
import type { Engine } from './engine.ts';
import { findContent } from './image-content.ts';

/** An image in full. `manifest` and `config` are the documents as their blobs hold them. */
export interface ImageInspection {
  readonly imageId: ImageId;
  readonly references: readonly string[];
  readonly manifestDigest: string;
  /** `os/architecture[/variant]`. */
  readonly platform: string | undefined;
  readonly importedAt: Date;
  readonly sizeBytes: number;
  readonly manifest: unknown;
  readonly config: unknown;
}

/**
 * Reads manifest and config of an image.
 *
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_AMBIGUOUS`, `STORE_CORRUPT`
 */
export function inspectImage(engine: Engine, input: string): ImageInspection {
  const { dataDir } = engine.settings;
  const records = engine.store.readReferences();
  const [record] = resolveImage(records, input);
  const manifest: unknown = readJson(dataDir, record.manifest.digest);
  return {
    imageId: record.imageId,
    references: records
      .filter(({ imageId }) => imageId === record.imageId)
      .flatMap(({ reference }) => reference ?? []),
    manifestDigest: record.manifest.digest,
    platform: record.platform === undefined ? undefined : formatPlatform(record.platform),
    importedAt: new Date(record.importedAt),
    sizeBytes: findContent(dataDir, record)?.sizeBytes ?? record.manifest.size,
    manifest,
    config: readJson(dataDir, record.imageId),
  };
}

function readJson(dataDir: string, digest: Digest): unknown {
  return JSON.parse(readSmallBlob(dataDir, digest, MAX_DOCUMENT_BYTES).toString('utf8'));
}
