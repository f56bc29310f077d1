/** `image list`: what the store holds, without taking a lock. */
import type { ImageId } from '../oci/digest.ts';
import type { OperationOptions } from '../progress.ts';
import type { ImageRecord } from '../store/image-store.ts';
import { lastUsedAt } from '../store/image-summary.ts';
import type { Engine } from './engine.ts';
import { findContent, isImageComplete } from './image-content.ts';

/** One line of `image list`. */
export interface ImageListing {
  readonly imageId: ImageId;
  /** Undefined for an image whose name has moved to another one. */
  readonly reference: string | undefined;
  /** Bytes of the image as its registry counts them: compressed layers, config and manifest. */
  readonly sizeBytes: number;
  readonly importedAt: Date;
  /** When the image was made, as it says; undefined when it does not. */
  readonly createdAt?: Date;
  readonly manifestDigest: string;
  readonly lastUsedAt: Date;
  /** A file of it is missing, or its summary unreadable; `image verify` tells more. */
  readonly isDamaged: boolean;
}

/**
 * All images, oldest import first. A damaged image is listed as such and hides no other; an entry
 * too damaged to be listed is a warning to `onProgress`.
 */
export function listImages(
  engine: Engine,
  { onProgress }: Pick<OperationOptions, 'onProgress'> = {},
): ImageListing[] {
  return engine.store
    .readReferences(({ problem }) => onProgress?.({ type: 'warning', message: problem }))
    .map((record) => listing(engine, record))
    .sort((a, b) => a.importedAt.getTime() - b.importedAt.getTime());
}

function listing(engine: Engine, record: ImageRecord): ImageListing {
  const { dataDir } = engine.settings;
  const importedAt = new Date(record.importedAt);
  const content = findContent(dataDir, record);
  const createdAt = content?.summary.createdAt;
  return {
    imageId: record.imageId,
    reference: record.reference,
    sizeBytes: content?.sizeBytes ?? record.manifest.size,
    importedAt,
    ...(createdAt === undefined ? {} : { createdAt: new Date(createdAt) }),
    manifestDigest: record.manifest.digest,
    lastUsedAt: lastUsedAt(dataDir, record.imageId) ?? importedAt,
    isDamaged: !isImageComplete(dataDir, record),
  };
}
