/** Puts a manifest at a registry (distribution-spec, "Pushing Manifests"). */
import { EngineError, quote } from '../errors.ts';
import { algorithmOf, type Digest, digestOf, isDigest } from '../oci/digest.ts';
import { statedDigest } from './manifest-response.ts';
import type { Transport } from './transport.ts';

/** What is put. */
export interface ManifestUpload {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly signal?: AbortSignal;
}

/** Where it is put. */
export interface ManifestTarget {
  readonly transport: Transport;
  readonly repository: string;
  readonly tagOrDigest: string;
  readonly scope: string;
  /** Names the manifest in messages. */
  readonly where: string;
}

/**
 * Puts the bytes as they are.
 *
 * @returns their digest.
 * @throws EngineError as `Transport.open`; `DIGEST_MISMATCH`, `DIGEST_INVALID`
 */
export async function pushManifest(
  { transport, repository, tagOrDigest, scope, where }: ManifestTarget,
  { bytes, mediaType, signal }: ManifestUpload,
): Promise<Digest> {
  const answer = await transport.retrying(signal, async () => {
    const opened = await transport.open({
      method: 'PUT',
      path: `/v2/${repository}/manifests/${tagOrDigest}`,
      scope,
      doing: `push ${where}`,
      headers: { 'content-type': mediaType },
      body: bytes,
      expects: [201, 202],
      signal,
    });
    await opened.body.discard();
    return opened;
  });
  const stated = statedDigest(answer, where);
  const algorithm = isDigest(tagOrDigest) ? algorithmOf(tagOrDigest) : 'sha256';
  const digest = digestOf(bytes, algorithm);
  const expected = stated === undefined ? digest : digestOf(bytes, algorithmOf(stated));
  if (stated === undefined || stated === expected) return digest;
  throw new EngineError(
    'DIGEST_MISMATCH',
    `the registry stored something else than ${where}: expected ${quote(expected)}, and it states ${quote(stated)}`,
  );
}
