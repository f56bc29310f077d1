/**
 * One shape for every place that images come from, so that fetching is written once: a registry, an
 * OCI image layout as a directory or an archive, a docker archive.
 */

import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { DigestVerifier } from '../oci/digest-verifier.ts';
import type { ImageSource } from '../oci/image-source.ts';
import type { OperationOptions } from '../progress.ts';
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
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_INVALID`, `IMAGE_AMBIGUOUS` for files; `CONFIG_INVALID`,
 *   `REGISTRY_BLOCKED` for a registry, which is not contacted before something is asked of it.
 */
export async function openTransport(
  source: ImageSource,
  settings: EngineSettings,
  options: OperationOptions,
): Promise<ImageTransport> {
  if (source.kind === 'registry') {
    const { openRegistryTransport } = await import('./registry-transport.ts');
    return openRegistryTransport(source.reference, settings, options);
  }
  const { openFileTransport } = await import('./file-transport.ts');
  return openFileTransport(source);
}

/**
 * Checks bytes that are in memory against their descriptor.
 *
 * @throws EngineError `SIZE_MISMATCH`, `DIGEST_MISMATCH`
 */
export function verifyBytes(bytes: Buffer, descriptor: Descriptor, where: string): void {
  const verifier = new DigestVerifier(descriptor, where);
  verifier.update(bytes);
  verifier.end();
}
