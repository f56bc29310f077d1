/** Images in files, as one shape with those in a registry: layouts, archives of them, docker archives. */
import { basename, extname } from 'node:path';
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

function layoutTransport(source: BlobSource, tag: string | undefined): ImageTransport {
  const entry = disposingOnError(source, () => findInLayout(source, tag));
  return {
    ...fileTransport(source, (digest) => layoutBlobName(digest)),
    reference: layoutReference(source.label, entry.refName),
    headDigest: async () => entry.descriptor.digest,
    top: async () => readManifest(source, layoutBlobName, entry.descriptor),
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
  return {
    ...fileTransport(source, (digest) => image.files.get(digest) ?? digest),
    reference: name === undefined ? undefined : formatReference(parseReference(name)),
    headDigest: async () => image.manifestDigest,
    top: async () => ({
      bytes: image.manifestBytes,
      mediaType: DOCKER_MANIFEST,
      digest: image.manifestDigest,
    }),
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
 * tag says nothing about a registry, so the image is named after the directory, under `localhost/`.
 * An annotation that is no reference is only data: such an image stays nameless.
 */
function layoutReference(label: string, refName: string | undefined): string | undefined {
  const isFullName = refName !== undefined && /[:/]/.test(refName);
  const stem = basename(label, extname(label) === '.tar' ? '.tar' : '').toLowerCase();
  const repository = stem.replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '') || 'layout';
  try {
    const name = isFullName ? refName : `localhost/${repository}:${refName ?? 'latest'}`;
    return formatReference(parseReference(name));
  } catch (error) {
    if (error instanceof EngineError && error.code === 'REFERENCE_INVALID') return undefined;
    throw error;
  }
}
