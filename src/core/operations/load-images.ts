/** `image load`: the images of an archive, all of them, into the store. */
import { EngineError, quote } from '../errors.ts';
import { type BlobSource, openArchiveSource } from '../layout/blob-source.ts';
import {
  describeDockerImage,
  type KnownLayers,
  listDockerArchive,
  MAX_ARCHIVE_IMAGES,
} from '../layout/docker-archive.ts';
import { isLayout, type LayoutEntry, listLayout } from '../layout/oci-layout.ts';
import type { Digest, ImageId } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import type { OperationOptions } from '../progress.ts';
import type { Engine } from './engine.ts';
import { type FetchedImage, fetchFromFiles } from './fetch-image.ts';
import {
  canonicalReference,
  dockerImageTransport,
  type FileTransport,
  layoutEntryTransport,
  layoutReference,
} from './file-transport.ts';
import { resolveManifest } from './resolve-manifest.ts';
import { type ArchiveInput, inflated, openInput } from './spool-input.ts';

/** Options of `loadImages`. */
export interface LoadOptions extends OperationOptions {
  /** Which image of an index is taken; default the host's. */
  readonly platform?: Platform;
  /** Is told of each image as soon as it is in the store. */
  readonly onImage?: (image: LoadedImage) => void;
}

/** An image that is in the store now. */
export interface LoadedImage {
  readonly imageId: ImageId;
  /** The names that the archive gives it, canonical; none if it gives none. */
  readonly references: readonly string[];
  /** Whether this call changed the store. */
  readonly changed: boolean;
}

/**
 * Brings every image of an archive into the store: of an OCI image layout, or of what `docker save`
 * and `podman save` write; in an archive that is both, the layout counts. The archive may be
 * compressed with gzip or zstd.
 *
 * What the archive says of its images is read and checked before the store changes. Then each image
 * stands for itself: when one turns out to be damaged, those before it stay. Names come from the
 * archive alone; one that is no reference, or pins another digest, is left out with a warning.
 *
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_INVALID`, `PLATFORM_NOT_FOUND`, `DIGEST_MISMATCH`,
 *   `SIZE_MISMATCH`, `LAYER_INVALID`, `LAYER_ENTRY_REJECTED`, `MEDIA_TYPE_UNSUPPORTED`,
 *   `STORE_UNUSABLE`, and the reason of `signal`
 */
export async function loadImages(
  engine: Engine,
  input: ArchiveInput,
  options: LoadOptions = {},
): Promise<LoadedImage[]> {
  const { dataDir } = engine.settings;
  const { signal, onProgress, platform } = options;
  const spooling = { dataDir, ...(signal === undefined ? {} : { signal }) };
  using source = openArchiveSource(await inflated(await openInput(input, spooling), spooling));
  const images = await archivedImages(source, 'path' in input, options);
  const missing = await findMissing(source, images, platform);
  if (missing !== undefined) throw missing;
  const loaded: LoadedImage[] = [];
  for (const { transport, references } of images) {
    const [first] = references;
    onProgress?.({ type: 'resolving', reference: first ?? source.label, source: source.label });
    const fetched = await fetchFromFiles(engine, transport, { ...options, source: source.label });
    await addReferences(engine, fetched, references.slice(1));
    const image = { imageId: fetched.imageId, references, changed: fetched.changed };
    options.onImage?.(image);
    loaded.push(image);
  }
  return loaded;
}

interface ArchivedImage {
  /** Not disposed: the archive is closed once, after all of them. */
  readonly transport: FileTransport;
  readonly references: readonly string[];
}

async function archivedImages(
  source: BlobSource,
  isFile: boolean,
  { onProgress }: OperationOptions,
): Promise<ArchivedImage[]> {
  const isAnyLayout = isLayout(source);
  if (!isAnyLayout && source.sizeOf('manifest.json') === undefined) throw noArchive(source.label);
  const images = isAnyLayout
    ? layoutImages(source, isFile, onProgress)
    : await dockerImages(source, onProgress);
  if (images.length > 0) return images;
  throw new EngineError('IMAGE_NOT_FOUND', `the archive ${quote(source.label)} holds no image`);
}

function noArchive(label: string): EngineError {
  return new EngineError(
    'IMAGE_INVALID',
    `${quote(label)} is no image archive: it has neither "oci-layout" with "index.json" nor "manifest.json"`,
    { hint: 'Run "dray image import FILE NAME" if it is the tar of a root file system.' },
  );
}

/** One image per manifest, with all the names of its entries. */
function layoutImages(
  source: BlobSource,
  isFile: boolean,
  onProgress: OperationOptions['onProgress'],
): ArchivedImage[] {
  const entries = listLayout(source).filter(isImage);
  if (entries.length > MAX_ARCHIVE_IMAGES) {
    throw new EngineError(
      'IMAGE_INVALID',
      `the "index.json" of ${quote(source.label)} lists ${entries.length} images; expected at most ${MAX_ARCHIVE_IMAGES}`,
    );
  }
  const byDigest = Map.groupBy(entries, ({ descriptor }) => descriptor.digest);
  return Array.from(byDigest.values(), (same) => {
    const names = same.flatMap(({ refName }) => {
      // A bare tag in a file names the image after the file, as "fetch oci-archive:FILE" does.
      const isUsable = refName !== undefined && (isFile || /[:/]/.test(refName));
      return isUsable ? [refName] : [];
    });
    const [entry] = same;
    if (entry === undefined) throw new Error('a group without members');
    const { digest } = entry.descriptor;
    const toReference = (name: string) => layoutReference(source.label, name, digest);
    const references = canonical(names, toReference, onProgress);
    return { transport: layoutEntryTransport(source, entry.descriptor, references[0]), references };
  });
}

/** Attestations are entries of their own beside the image that they are about. */
function isImage({ descriptor }: LayoutEntry): boolean {
  return descriptor.annotations?.['vnd.docker.reference.type'] === undefined;
}

async function dockerImages(
  source: BlobSource,
  onProgress: OperationOptions['onProgress'],
): Promise<ArchivedImage[]> {
  const known: KnownLayers = new Map();
  const images: ArchivedImage[] = [];
  for (const entry of listDockerArchive(source)) {
    const image = await describeDockerImage(source, entry, known);
    const toReference = (name: string) => canonicalReference(name, image.manifestDigest);
    const references = canonical(entry.repoTags, toReference, onProgress);
    images.push({ transport: dockerImageTransport(source, image, references[0]), references });
  }
  return images;
}

function canonical(
  names: readonly string[],
  toReference: (name: string) => string | undefined,
  onProgress: OperationOptions['onProgress'],
): string[] {
  const references = names.map((name) => {
    const reference = toReference(name);
    if (reference === undefined) {
      const message = `the name ${quote(name)} in the archive is no reference to its image, and is left out`;
      onProgress?.({ type: 'warning', message });
    }
    return reference;
  });
  return [...new Set(references.filter((reference) => reference !== undefined))];
}

/** What the archive lacks of its images, or what is wrong with their documents, before anything changes. */
async function findMissing(
  source: BlobSource,
  images: readonly ArchivedImage[],
  platform: Platform | undefined,
): Promise<EngineError | undefined> {
  const options = { onProgress: () => {}, ...(platform === undefined ? {} : { platform }) };
  const isSeen = new Set<Digest>();
  for (const { transport } of images) {
    const { manifest } = await resolveManifest(transport, options);
    for (const { digest, size } of manifest.layers) {
      if (isSeen.has(digest)) continue;
      isSeen.add(digest);
      const found = transport.sizeOf(digest);
      if (found === size) continue;
      const has = found === undefined ? 'lacks it' : `has ${found} bytes of it`;
      return new EngineError(
        found === undefined ? 'IMAGE_INVALID' : 'SIZE_MISMATCH',
        `an image in ${quote(source.label)} needs the layer ${digest} of ${size} bytes, and the archive ${has}`,
      );
    }
  }
  return undefined;
}

/** Gives an image that has just been stored its other names. */
async function addReferences(
  { store }: Engine,
  { imageId, reference }: FetchedImage,
  others: readonly string[],
): Promise<void> {
  if (others.length === 0) return;
  const record = store
    .readReferences()
    .find((each) => each.imageId === imageId && each.reference === reference);
  if (record === undefined) return;
  for (const other of others) await store.putReference({ ...record, reference: other });
}
