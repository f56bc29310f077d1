/** Images in files, as one shape with those in a registry: layouts, archives of them, docker archives. */
import { basename } from 'node:path';
import { EngineError, quote } from '../errors.ts';
import { archiveSource, type BlobSource, directorySource } from '../layout/blob-source.ts';
import { type DockerArchiveImage, readDockerArchive } from '../layout/docker-archive.ts';
import { findInLayout, layoutBlobName } from '../layout/oci-layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { ImageSource } from '../oci/image-source.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import { DOCKER_MANIFEST } from '../oci/media-type.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import { type ImageTransport, type ManifestBytes, verifyBytes } from './image-transport.ts';

/** A source that is no registry. */
type FileSource = Exclude<ImageSource, { readonly kind: 'registry' }>;

/**
 * Opens the files that `source` names. @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_INVALID`,
 * `IMAGE_AMBIGUOUS`
 */
export async function openFileTransport({ kind, path, tag }: FileSource): Promise<ImageTransport> {
  switch (kind) {
    case 'oci-layout':
      return layoutTransport(directorySource(path), tag);
    case 'oci-archive':
      return layoutTransport(archiveSource(path), tag);
    case 'docker-archive':
      return dockerArchiveTransport(archiveSource(path), tag);
  }
}

/** A transport of files, which knows what they hold. Disposing it closes them. */
export interface FileTransport extends ImageTransport {
  /** Bytes of a blob; undefined when it is not there. */
  sizeOf(digest: Digest): number | undefined;
}

function layoutTransport(source: BlobSource, tag: string | undefined): ImageTransport {
  const { descriptor, refName } = disposingOnError(source, () => findInLayout(source, tag));
  const reference = layoutReference(source.label, refName, descriptor.digest);
  return layoutEntryTransport(source, descriptor, reference);
}

/** One image of a layout, as the canonical `reference`. */
export function layoutEntryTransport(
  source: BlobSource,
  descriptor: Descriptor,
  reference: string | undefined,
): FileTransport {
  return {
    ...fileTransport(source, layoutBlobName),
    reference,
    headDigest: async () => descriptor.digest,
    top: async () => readManifest(source, layoutBlobName, descriptor),
  };
}

async function dockerArchiveTransport(
  source: BlobSource,
  tag: string | undefined,
): Promise<ImageTransport> {
  let image: DockerArchiveImage;
  try {
    image = await readDockerArchive(source, tag);
  } catch (error) {
    source[Symbol.dispose]();
    throw error;
  }
  const name = image.repoTags.find((repoTag) => tag === undefined || repoTag.endsWith(tag));
  const reference = name === undefined ? undefined : canonicalReference(name, image.manifestDigest);
  return dockerImageTransport(source, image, reference);
}

/** One image of a docker archive, as the canonical `reference`. */
export function dockerImageTransport(
  source: BlobSource,
  { files, manifestBytes: bytes, manifestDigest: digest }: DockerArchiveImage,
  reference: string | undefined,
): FileTransport {
  return {
    ...fileTransport(source, (blob) => files.get(blob) ?? blob),
    reference,
    headDigest: async () => digest,
    top: async () => ({ bytes, mediaType: DOCKER_MANIFEST, digest }),
  };
}

function fileTransport(source: BlobSource, fileOf: (digest: Digest) => string) {
  return {
    source: source.label,
    manifest: async (descriptor: Descriptor) => readManifest(source, fileOf, descriptor),
    smallBlob: async (descriptor: Descriptor, maxBytes: number) =>
      readVerified(source, { file: fileOf(descriptor.digest), descriptor, maxBytes }),
    blob: (descriptor: Descriptor, offset: number) =>
      source.open(fileOf(descriptor.digest), offset),
    sizeOf: (digest: Digest) => source.sizeOf(fileOf(digest)),
    [Symbol.asyncDispose]: async () => source[Symbol.dispose](),
  };
}

function disposingOnError<T>(source: BlobSource, work: () => T): T {
  try {
    return work();
  } catch (error) {
    source[Symbol.dispose]();
    throw error;
  }
}

function readManifest(
  source: BlobSource,
  fileOf: (digest: Digest) => string,
  descriptor: Descriptor,
): ManifestBytes {
  const request = { file: fileOf(descriptor.digest), descriptor, maxBytes: MAX_DOCUMENT_BYTES };
  const bytes = readVerified(source, request);
  return { bytes, mediaType: descriptor.mediaType, digest: descriptor.digest };
}

interface VerifiedRead {
  readonly file: string;
  readonly descriptor: Descriptor;
  readonly maxBytes: number;
}

function readVerified(source: BlobSource, { file, descriptor, maxBytes }: VerifiedRead): Buffer {
  const bytes = source.readSmall(file, maxBytes);
  if (bytes === undefined) {
    throw new EngineError(
      'IMAGE_INVALID',
      `${quote(source.label)} lacks the blob ${descriptor.digest} that its manifest names`,
    );
  }
  verifyBytes(bytes, descriptor, `blob ${descriptor.digest} in ${quote(source.label)}`);
  return bytes;
}

/**
 * The reference of an image that came from a layout. A full name in its annotation is kept. A bare
 * tag says nothing about a registry, so the image is named after the file or directory, under
 * `localhost/`. An annotation that is no reference is only data: such an image stays nameless.
 */
export function layoutReference(
  label: string,
  refName: string | undefined,
  digest: Digest,
): string | undefined {
  if (refName !== undefined && /[:/]/.test(refName)) return canonicalReference(refName, digest);
  const stem = basename(label.toLowerCase()).replace(/\.(?:tar(?:\.(?:gz|zst))?|tgz)$/, '');
  const repository = stem.replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '') || 'layout';
  return canonicalReference(`localhost/${repository}:${refName ?? 'latest'}`, digest);
}

/**
 * A name from outside in its canonical form; undefined when it is no reference, or pins another digest
 * than that of the image: who runs a name by digest relies on getting no other.
 */
export function canonicalReference(name: string, digest: Digest): string | undefined {
  try {
    const reference = parseReference(name);
    const isOfAnother = reference.digest !== undefined && reference.digest !== digest;
    return isOfAnother ? undefined : formatReference(reference);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'REFERENCE_INVALID') return undefined;
    throw error;
  }
}
