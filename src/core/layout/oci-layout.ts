/** Reading a foreign OCI image layout (image-spec `image-layout.md`), directory or archive. */

import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts';
import { parseManifestDocument } from '../oci/image-manifest.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import { OCI_INDEX } from '../oci/media-type.ts';
import type { BlobSource } from './blob-source.ts';

/** An entry of a layout's `index.json`, and the name it carries there. */
export interface LayoutEntry {
  readonly descriptor: Descriptor;
  /** The annotation `org.opencontainers.image.ref.name`, or containerd's full name where it is set. */
  readonly refName: string | undefined;
}

/** The annotation that names an image in a layout (image-spec `annotations.md`). */
export const REF_NAME = 'org.opencontainers.image.ref.name';
/** Where containerd and docker put the full name. */
export const CONTAINERD_NAME = 'io.containerd.image.name';
/** The name of a blob inside a layout. */
export function layoutBlobName(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}

/**
 * Finds what `tag` names in a layout; without a tag, the only entry.
 *
 * @throws EngineError `IMAGE_INVALID` when this is no layout, `IMAGE_NOT_FOUND` when nothing has that
 *   tag, `IMAGE_AMBIGUOUS` when no tag was given and there are several; both list the tags.
 */
export function findInLayout(source: BlobSource, tag: string | undefined): LayoutEntry {
  const entries = listLayout(source);
  if (tag === undefined) {
    const [only, ...others] = entries;
    if (only === undefined) {
      throw new EngineError('IMAGE_NOT_FOUND', `the layout ${quote(source.label)} holds no image`);
    }
    if (others.length > 0) {
      throw new EngineError(
        'IMAGE_AMBIGUOUS',
        `the layout ${quote(source.label)} holds ${entries.length} images: ${tagList(entries)}`,
        { hint: 'Add the tag of one of them after a colon.' },
      );
    }
    return only;
  }
  const found = entries.find((entry) => isNamed(entry, tag));
  if (found !== undefined) return found;
  throw new EngineError(
    'IMAGE_NOT_FOUND',
    `the layout ${quote(source.label)} has no image tagged ${quote(tag)}; it has ${tagList(entries)}`,
  );
}

function isNamed(entry: LayoutEntry, tag: string): boolean {
  const ref = entry.descriptor.annotations?.[REF_NAME];
  return ref === tag || entry.refName === tag || entry.refName?.endsWith(`:${tag}`) === true;
}

/** Whether files are an OCI image layout, whatever else they are: `docker save` writes both in one. */
export function isLayout(source: BlobSource): boolean {
  return source.sizeOf('oci-layout') !== undefined && source.sizeOf('index.json') !== undefined;
}

/** The entries of a layout's `index.json`. @throws EngineError `IMAGE_INVALID` when this is no layout. */
export function listLayout(source: BlobSource): LayoutEntry[] {
  const bytes = source.readSmall('index.json', MAX_DOCUMENT_BYTES);
  if (bytes === undefined || source.readSmall('oci-layout', MAX_DOCUMENT_BYTES) === undefined) {
    throw new EngineError(
      'IMAGE_INVALID',
      `${quote(source.label)} is not an OCI image layout: "oci-layout" or "index.json" is missing`,
    );
  }
  const document = parseManifestDocument(bytes, OCI_INDEX, `${source.label}/index.json`);
  if (document.kind !== 'index') {
    throw new EngineError(
      'IMAGE_INVALID',
      `${quote(source.label)}/index.json is not an image index`,
    );
  }
  return document.index.manifests.map((descriptor) => ({
    descriptor,
    refName: descriptor.annotations?.[CONTAINERD_NAME] ?? descriptor.annotations?.[REF_NAME],
  }));
}

function tagList(entries: readonly LayoutEntry[]): string {
  return entries
    .map(({ refName }) => (refName === undefined ? '<none>' : quote(refName)))
    .join(', ');
}
