/**
 * Where everything lies below the data directory. Pure: nothing here touches the disk.
 *
 * | path | what it is | removed by |
 * |---|---|---|
 * | `version`, `oci-layout`, `index.json`, `blobs/` | an OCI image layout with a version | gc (blobs) |
 * | `layers/<alg>/<diffID hex>.data` `.index` | file bytes and headers of one layer (derived) | gc |
 * | `rootfs/<alg>/<chainID hex>.erofs` `.dir` | merged metadata image, or plain tree (derived) | gc |
 * | `images/<alg>-<hex>.json` | image summary (derived); its mtime is when it was last used | gc |
 * | `containers/` | see `core/container` | container removal |
 * | `volumes/` | see `core/volume` | `volume rm`, container removal |
 * | `ingest/` | unfinished things, each flocked by its writer | gc, when nobody holds the lock |
 * | `lock` | the gc lock, see `gc-lock.ts` | never |
 * | `lock-index` | serialises changes of `index.json` | never |
 *
 * Every name comes from a parsed digest, so that nothing from outside becomes part of a path.
 */
import { join } from 'node:path';
import {
  algorithmOf,
  type ChainId,
  type DiffId,
  type Digest,
  hexOf,
  type ImageId,
} from '../oci/digest.ts';

/** The store's format version. */
export function versionFile(dataDir: string): string {
  return join(dataDir, 'version');
}

/** The marker of an OCI image layout (image-spec `image-layout.md`). */
export function layoutMarkerFile(dataDir: string): string {
  return join(dataDir, 'oci-layout');
}

/** The references: an OCI image index (image-spec `image-layout.md`). */
export function layoutIndexFile(dataDir: string): string {
  return join(dataDir, 'index.json');
}

/** The lock that serialises changes of `index.json`. */
export function indexLockPath(dataDir: string): string {
  return join(dataDir, 'lock-index');
}

/** The lock between garbage collection and everything that creates references. */
export function gcLockPath(dataDir: string): string {
  return join(dataDir, 'lock');
}

/** Directory of blobs, one directory per digest algorithm below it. */
export function blobsDir(dataDir: string): string {
  return join(dataDir, 'blobs');
}

/** The blob with this digest. */
export function blobPath(dataDir: string, digest: Digest): string {
  return join(dataDir, 'blobs', algorithmOf(digest), hexOf(digest));
}

/** Directory of what is derived from layers, one directory per digest algorithm below it. */
export function layersDir(dataDir: string): string {
  return join(dataDir, 'layers');
}

/** The layer data file: the bytes of a layer's files. */
export function layerDataPath(dataDir: string, diffId: DiffId): string {
  return `${layerStem(dataDir, diffId)}.data`;
}

/** The layer index: the headers of a layer. Its presence says that the data file is complete. */
export function layerIndexPath(dataDir: string, diffId: DiffId): string {
  return `${layerStem(dataDir, diffId)}.index`;
}

function layerStem(dataDir: string, diffId: DiffId): string {
  return join(dataDir, 'layers', algorithmOf(diffId), hexOf(diffId));
}

/** Directory of root file systems, one directory per digest algorithm below it. */
export function rootfsDir(dataDir: string): string {
  return join(dataDir, 'rootfs');
}

/** The metadata image of a merged root file system. */
export function rootfsImagePath(dataDir: string, chainId: ChainId): string {
  return `${rootfsStem(dataDir, chainId)}.erofs`;
}

/** The directory that holds a materialised root file system. */
export function rootfsDirectoryPath(dataDir: string, chainId: ChainId): string {
  return `${rootfsStem(dataDir, chainId)}.dir`;
}

function rootfsStem(dataDir: string, chainId: ChainId): string {
  return join(dataDir, 'rootfs', algorithmOf(chainId), hexOf(chainId));
}

/** Directory of image summaries. */
export function imagesDir(dataDir: string): string {
  return join(dataDir, 'images');
}

/** The image summary of an image. */
export function imageSummaryPath(dataDir: string, imageId: ImageId): string {
  return join(dataDir, 'images', `${algorithmOf(imageId)}-${hexOf(imageId)}.json`);
}

/** Directory of everything that is not finished. */
export function ingestDir(dataDir: string): string {
  return join(dataDir, 'ingest');
}

/** Common beginning of the files of one unfinished layer transfer. */
export function ingestStem(dataDir: string, digest: Digest): string {
  return join(dataDir, 'ingest', `${algorithmOf(digest)}-${hexOf(digest)}`);
}

/** Common beginning of the files of one tree that is being materialised. */
export function rootfsIngestStem(dataDir: string, chainId: ChainId): string {
  return join(dataDir, 'ingest', `rootfs-${algorithmOf(chainId)}-${hexOf(chainId)}`);
}
