/** JSON shapes of images: rkt's keys, times as RFC 3339. */
import type { Collection } from '../core/operations/collect-garbage.ts';
import type { FetchedImage } from '../core/operations/fetch-image.ts';
import type { ImportedImage } from '../core/operations/import-image.ts';
import type { ImageInspection } from '../core/operations/inspect-image.ts';
import type { ImageListing } from '../core/operations/list-images.ts';
import type { LoadedImage } from '../core/operations/load-images.ts';
import type { PushedImage } from '../core/operations/push-image.ts';
import type { RemoteInspection } from '../core/operations/remote-image.ts';

/** One element of `image list --json`. */
export interface ImageJson {
  /** `sha256:` and 64 hex. */
  readonly id: string;
  readonly name: string | null;
  readonly import_time: string | null;
  readonly last_used_time: string | null;
  /** Bytes. */
  readonly size: number;
  readonly damaged: boolean;
}

/** The JSON form of one image. */
export function imageJson(image: ImageListing): ImageJson {
  return {
    id: image.imageId,
    name: image.reference ?? null,
    import_time: timeJson(image.importedAt),
    last_used_time: timeJson(image.lastUsedAt),
    size: image.sizeBytes,
    damaged: image.isDamaged,
  };
}

/** RFC 3339, or null for a time that is none. */
export function timeJson(time: Date): string | null {
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}

/** `image inspect`. */
export interface InspectionJson {
  readonly id: string;
  readonly names: readonly string[];
  readonly manifest_digest: string;
  readonly platform: string | null;
  readonly import_time: string | null;
  readonly size: number;
  /** The documents as the image has them. */
  readonly config: unknown;
  readonly manifest: unknown;
}

/** The JSON form of an inspection. */
export function inspectionJson(inspection: ImageInspection): InspectionJson {
  return {
    id: inspection.imageId,
    names: inspection.references,
    manifest_digest: inspection.manifestDigest,
    platform: inspection.platform ?? null,
    import_time: timeJson(inspection.importedAt),
    size: inspection.sizeBytes,
    config: inspection.config,
    manifest: inspection.manifest,
  };
}

/** `image inspect --remote`. */
export interface RemoteInspectionJson {
  readonly id: string;
  readonly name: string | null;
  /** What the name points to: the index if there is one, else the manifest. */
  readonly digest: string;
  readonly manifest_digest: string;
  readonly platform: string;
  readonly size: number;
  /** The documents as the registry has them; null without an index. */
  readonly index: unknown;
  readonly config: unknown;
  readonly manifest: unknown;
}

/** The JSON form of an image that is not in the store. */
export function remoteInspectionJson(inspection: RemoteInspection): RemoteInspectionJson {
  return {
    id: inspection.imageId,
    name: inspection.reference ?? null,
    digest: inspection.digest,
    manifest_digest: inspection.manifestDigest,
    platform: inspection.platform,
    size: inspection.sizeBytes,
    index: inspection.index ?? null,
    config: inspection.config,
    manifest: inspection.manifest,
  };
}

/** `image push --json`. */
export interface PushedJson {
  readonly id: string;
  readonly name: string;
  readonly digest: string;
  readonly media_type: string;
  /** `REGISTRY/REPOSITORY@DIGEST`. */
  readonly pinned_name: string;
  readonly blobs: readonly {
    readonly digest: string;
    readonly size: number;
    readonly outcome: 'existing' | 'mounted' | 'uploaded';
  }[];
}

/** The JSON form of a pushed image. */
export function pushedJson(image: PushedImage): PushedJson {
  return {
    id: image.imageId,
    name: image.reference,
    digest: image.manifest.digest,
    media_type: image.manifest.mediaType,
    pinned_name: image.pinnedReference,
    blobs: image.blobs.map(({ digest, sizeBytes, outcome }) => ({
      digest,
      size: sizeBytes,
      outcome,
    })),
  };
}

/** One element of `fetch --json`. */
export interface FetchedJson {
  readonly id: string;
  readonly name: string | null;
  /** Whether the store changed. */
  readonly changed: boolean;
}

/** The JSON form of a fetched image. */
export function fetchedJson({ imageId, reference, changed }: FetchedImage): FetchedJson {
  return { id: imageId, name: reference ?? null, changed };
}

/** One element of `image load --json`. */
export interface LoadedJson {
  readonly id: string;
  readonly names: readonly string[];
  /** Whether the store changed. */
  readonly changed: boolean;
}

/** The JSON form of a loaded image. */
export function loadedJson({ imageId, references, changed }: LoadedImage): LoadedJson {
  return { id: imageId, names: references, changed };
}

/** `image import --json`. */
export interface ImportedJson {
  readonly id: string;
  readonly name: string;
}

/** The JSON form of an image made from a tar. */
export function importedJson({ imageId, reference }: ImportedImage): ImportedJson {
  return { id: imageId, name: reference };
}

/** `image gc --json`. */
export interface CollectionJson {
  readonly removed_files: number;
  readonly freed_bytes: number;
  readonly removed_containers: number;
}

/** The JSON form of a collection. */
export function collectionJson(collection: Collection): CollectionJson {
  return {
    removed_files: collection.removedFiles,
    freed_bytes: collection.freedBytes,
    removed_containers: collection.removedContainers,
  };
}
