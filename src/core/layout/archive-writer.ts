/**
 * Writing image archives: a tar that is an OCI image layout, a docker archive, or both in one.
 *
 *     oci-layout  index.json           the layout (image-spec `image-layout.md`)
 *     manifest.json                    the docker archive: names config and layers by file
 *     blobs/<alg>/<hex>                the blobs of all images, each once, in the order of their names
 *
 * Both point to the same blobs, byte for byte those of the store. The same images in the same order
 * give the same bytes: no time, owner or order depends on anything else.
 */
import { Header } from 'tar';
import type { Descriptor } from '../oci/descriptor.ts';
import { OCI_INDEX } from '../oci/media-type.ts';
import { CONTAINERD_NAME, layoutBlobName, REF_NAME } from './oci-layout.ts';

/** What an archive is; `combined` is what every reader reads. */
export type ArchiveFormat = 'combined' | 'oci-archive' | 'docker-archive';

/** An image on its way into an archive. */
export interface SavedImage {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
  /** Canonical references with a tag; without any the image is nameless in the archive. */
  readonly references: readonly string[];
}

/** A small member of an archive. */
export interface ArchiveDocument {
  readonly name: string;
  readonly bytes: Buffer;
}

const BLOCK = 512;

/** The two zero blocks that end a tar. */
export const ARCHIVE_END = Buffer.alloc(2 * BLOCK);

/** The members that describe the images, in their order in the archive. Pure. */
export function archiveDocuments(
  images: readonly SavedImage[],
  format: ArchiveFormat,
): ArchiveDocument[] {
  const documents: [name: string, value: unknown][] = [];
  if (format !== 'docker-archive') {
    documents.push(['oci-layout', { imageLayoutVersion: '1.0.0' }]);
    documents.push(['index.json', layoutIndex(images)]);
  }
  if (format !== 'oci-archive') documents.push(['manifest.json', dockerManifest(images)]);
  return documents.map(([name, value]) => ({ name, bytes: Buffer.from(JSON.stringify(value)) }));
}

/** The blobs that the members describe, each once, in their order in the archive. Pure. */
export function archiveBlobs(images: readonly SavedImage[], format: ArchiveFormat): Descriptor[] {
  const blobs = images.flatMap(({ manifest, config, layers }) => [
    // A docker archive has no manifest in the registry's sense.
    ...(format === 'docker-archive' ? [] : [manifest]),
    config,
    ...layers,
  ]);
  const distinct = new Map(blobs.map((blob) => [layoutBlobName(blob.digest), blob]));
  return [...distinct.keys()].sort().flatMap((name) => distinct.get(name) ?? []);
}

/** The tar header of a member. */
export function memberHeader(name: string, sizeBytes: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const header = new Header({
    path: name,
    type: 'File',
    size: sizeBytes,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: new Date(0),
  });
  header.encode(block, 0);
  return block;
}

/** The zeros between the bytes of a member and the next header. */
export function memberPadding(sizeBytes: number): Buffer {
  return Buffer.alloc((BLOCK - (sizeBytes % BLOCK)) % BLOCK);
}

/** One entry for each name; as docker and containerd read it, and as podman and skopeo do. */
function layoutIndex(images: readonly SavedImage[]): unknown {
  const manifests = images.flatMap(({ manifest: { mediaType, digest, size }, references }) => {
    const descriptor = { mediaType, digest, size };
    if (references.length === 0) return [descriptor];
    return references.map((reference) => ({
      ...descriptor,
      annotations: { [CONTAINERD_NAME]: reference, [REF_NAME]: reference },
    }));
  });
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
}

function dockerManifest(images: readonly SavedImage[]): unknown {
  return images.map(({ config, layers, references }) => ({
    Config: layoutBlobName(config.digest),
    RepoTags: references,
    Layers: layers.map(({ digest }) => layoutBlobName(digest)),
  }));
}
