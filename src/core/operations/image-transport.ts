/**
 * One shape for every place that images come from, so that fetching is written once: a registry, an
 * OCI image layout as a directory or an archive, a docker archive.
 */

import { basename, extname } from 'node:path';
import { EngineError, quote } from '../errors.ts';
import { archiveSource, type BlobSource, directorySource } from '../layout/blob-source.ts';
import { type DockerArchiveImage, readDockerArchive } from '../layout/docker-archive.ts';
import { findInLayout, layoutBlobName } from '../layout/oci-layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { DigestVerifier } from '../oci/digest-verifier.ts';
import type { ImageSource } from '../oci/image-source.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import { DOCKER_MANIFEST } from '../oci/media-type.ts';
import { formatReference, parseReference, type Reference } from '../oci/reference.ts';
import type { OperationOptions } from '../progress.ts';
import { RegistryClient } from '../registry/registry-client.ts';
import type { EngineSettings } from './engine.ts';

/** The bytes of a manifest or index, what they claim to be, and their digest (computed here). */
export interface ManifestBytes {
  readonly bytes: Buffer;
  readonly mediaType: string | undefined;
  readonly digest: Digest;
}

/** A place that one image can be read from. Whoever opens it disposes it. */
export interface ImageTransport extends AsyncDisposable {
  /** How progress and errors name the place. */
  readonly source: string;
  /** The canonical reference that the image gets in the store; undefined keeps it nameless. */
  readonly reference: string | undefined;
  /** What the reference points to now, without its bytes; undefined when that cannot be known cheaply. */
  headDigest(): Promise<Digest | undefined>;
  /** The manifest or index that the reference points to. */
  top(): Promise<ManifestBytes>;
  /** A manifest that an index names; digest and size are verified. */
  manifest(descriptor: Descriptor): Promise<ManifestBytes>;
  /** A small blob, verified, of at most `maxBytes`. */
  smallBlob(descriptor: Descriptor, maxBytes: number): Promise<Buffer>;
  /** The bytes of a blob from `offset`. Not verified: whoever takes them verifies. */
  blob(descriptor: Descriptor, offset: number, signal: AbortSignal): AsyncIterable<Buffer>;
}

/**
 * Opens the place that `source` names.
 *
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_INVALID`, `IMAGE_AMBIGUOUS` for files; a registry is
 *   not contacted before something is asked of it.
 */
export async function openTransport(
  source: ImageSource,
  settings: EngineSettings,
  options: OperationOptions,
): Promise<ImageTransport> {
  switch (source.kind) {
    case 'registry':
      return registryTransport(source.reference, settings, options);
    case 'oci-layout':
      return layoutTransport(directorySource(source.path), source.tag);
    case 'oci-archive':
      return layoutTransport(archiveSource(source.path), source.tag);
    case 'docker-archive':
      return dockerArchiveTransport(archiveSource(source.path), source.tag);
  }
}

function registryTransport(
  reference: Reference,
  settings: EngineSettings,
  { signal, onProgress }: OperationOptions,
): ImageTransport {
  const client = new RegistryClient(reference.registry, {
    insecureRegistries: settings.insecureRegistries,
    userAgent: `dray/${settings.version}`,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const { repository } = reference;
  const wanted = reference.digest ?? reference.tag ?? 'latest';
  const request = signal === undefined ? {} : { signal };
  return {
    source: reference.registry,
    reference: formatReference(reference),
    headDigest: async () => (await client.headManifest(repository, wanted, request))?.digest,
    top: () => client.fetchManifest(repository, wanted, request),
    manifest: async (descriptor) => {
      const fetched = await client.fetchManifest(repository, descriptor.digest, request);
      verify(fetched.bytes, descriptor, `manifest ${descriptor.digest} of ${repository}`);
      return fetched;
    },
    smallBlob: (descriptor, maxBytes) =>
      client.fetchSmallBlob(repository, descriptor, maxBytes, request),
    blob: (descriptor, offset, blobSignal) =>
      client.fetchBlob(repository, descriptor, { offset, signal: blobSignal }),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
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
  verify(bytes, descriptor, `blob ${descriptor.digest} in ${quote(source.label)}`);
  return bytes;
}

function verify(bytes: Buffer, descriptor: Descriptor, where: string): void {
  const verifier = new DigestVerifier(descriptor, where);
  verifier.update(bytes);
  verifier.end();
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
