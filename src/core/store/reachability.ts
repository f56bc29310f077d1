/**
 * What images need of the store, followed from their references.
 *
 * Manifest and config say it; they are checked against their digests. Where one of them is missing
 * or damaged the summary stands in, and where that is gone, too, what can still be read counts. So
 * nothing here fails because an image is damaged.
 */
import { EngineError } from '../errors.ts';
import { type ChainId, chainIdOf, type DiffId, type Digest, type ImageId } from '../oci/digest.ts';
import { type ImageConfig, parseImageConfig } from '../oci/image-config.ts';
import { type ManifestDocument, parseManifestDocument } from '../oci/image-manifest.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import { readSmallBlob } from './blob-store.ts';
import { type ImageSummary, readSummary } from './image-summary.ts';
import type { ImageRecord } from './layout-index.ts';
import type { ContentId } from './lease.ts';

/** Content of the store, by what kind of file carries it. */
export interface ContentSet {
  readonly blobs: Set<Digest>;
  readonly layers: Set<DiffId>;
  readonly rootfs: Set<ChainId>;
  readonly summaries: Set<ImageId>;
}

/** Where else than at records the search begins. */
export interface FurtherRoots {
  /** Each keeps whatever carries it as its name, and nothing beyond that. */
  readonly held?: Iterable<ContentId>;
  /** Manifests or indexes that something else than a record names. */
  readonly manifests?: Iterable<Digest>;
}

/** All that `records` and the further roots need, whether or not it is there. */
export function reachable(
  dataDir: string,
  records: readonly ImageRecord[],
  { held = [], manifests = [] }: FurtherRoots = {},
): ContentSet {
  const found = emptySet();
  for (const record of records) addImage(dataDir, record, found);
  for (const digest of manifests) addManifest(dataDir, digest, found);
  for (const id of held) addHeld(id, found);
  return found;
}

function emptySet(): ContentSet {
  return { blobs: new Set(), layers: new Set(), rootfs: new Set(), summaries: new Set() };
}

// A lease does not say what kind of content it means: every kind of that name is kept.
function addHeld(id: ContentId, found: ContentSet): void {
  found.blobs.add(id as string as Digest);
  found.layers.add(id as string as DiffId);
  found.rootfs.add(id as string as ChainId);
  found.summaries.add(id as string as ImageId);
}

function addImage(dataDir: string, { manifest, imageId }: ImageRecord, found: ContentSet): void {
  found.summaries.add(imageId);
  const isWhole = addManifest(dataDir, manifest.digest, found);
  const isConfigRead = addConfig(dataDir, imageId, found);
  if (isWhole && isConfigRead) return;
  const summary = tolerant(() => readSummary(dataDir, imageId));
  if (summary?.manifest.digest === manifest.digest) addSummary(summary, found);
}

function addSummary(summary: ImageSummary, found: ContentSet): void {
  found.rootfs.add(summary.chainId);
  for (const { digest, diffId } of summary.layers) {
    found.blobs.add(digest);
    found.layers.add(diffId);
  }
}

/** True when the manifest and all manifests below it could be read. */
function addManifest(dataDir: string, digest: Digest, found: ContentSet): boolean {
  const isNew = !found.blobs.has(digest);
  found.blobs.add(digest);
  const document = tolerant(() => readManifest(dataDir, digest));
  if (document === undefined) return false;
  if (document.kind === 'index') {
    // An index that was seen before is not entered again, so that the search ends whatever it names.
    const below = isNew ? document.index.manifests : [];
    return below.map((each) => addManifest(dataDir, each.digest, found)).every(Boolean);
  }
  for (const layer of document.manifest.layers) found.blobs.add(layer.digest);
  return addConfig(dataDir, document.manifest.config.digest, found);
}

function addConfig(dataDir: string, digest: Digest, found: ContentSet): boolean {
  found.blobs.add(digest);
  const config = tolerant(() => readConfig(dataDir, digest));
  if (config === undefined) return false;
  const diffIds = config.rootfs.diff_ids;
  for (const diffId of diffIds) found.layers.add(diffId);
  found.rootfs.add(chainIdOf(diffIds));
  return true;
}

function readManifest(dataDir: string, digest: Digest): ManifestDocument {
  const bytes = readSmallBlob(dataDir, digest, MAX_DOCUMENT_BYTES);
  return parseManifestDocument(bytes, undefined, `manifest ${digest}`);
}

function readConfig(dataDir: string, digest: Digest): ImageConfig {
  return parseImageConfig(readSmallBlob(dataDir, digest, MAX_DOCUMENT_BYTES), `config ${digest}`);
}

/** Codes that say "this is damaged", as opposed to "the disk cannot be read". */
const DAMAGE: ReadonlySet<string> = new Set([
  'STORE_CORRUPT',
  'IMAGE_INVALID',
  'DIGEST_INVALID',
  'MEDIA_TYPE_UNSUPPORTED',
]);

function tolerant<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof EngineError && DAMAGE.has(error.code)) return undefined;
    throw error;
  }
}
