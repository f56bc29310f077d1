/** The manifests that say what they refer to (distribution-spec, "Listing Referrers"). */
import { EngineError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifestDocument } from '../oci/image-manifest.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import { OCI_INDEX } from '../oci/media-type.ts';
import type { Transport } from './transport.ts';

/** Which referrers, and how to ask for them. */
export interface ReferrerListing {
  readonly transport: Transport;
  readonly repository: string;
  readonly digest: Digest;
  /** The kind that is wanted; a registry may give others too. */
  readonly artifactType: string;
  readonly scope: string;
  /** Names the listing in messages. */
  readonly where: string;
  readonly signal: AbortSignal | undefined;
}

/** What registries answer that do not know the API. */
const UNKNOWN: readonly number[] = [400, 404, 405, 501];

/**
 * The first page of the referrers of `digest` of one kind.
 *
 * @returns undefined when the registry does not know the API: the tag schema stands in for it then.
 * @throws EngineError as `Transport.open`; `REGISTRY_RESPONSE_INVALID` for what is no index or has
 * more than 4 MiB.
 */
export function listReferrers(
  listing: ReferrerListing,
): Promise<readonly Descriptor[] | undefined> {
  const { transport, repository, digest, artifactType, scope, where, signal } = listing;
  const query = `artifactType=${encodeURIComponent(artifactType)}`;
  return transport.retrying(signal, async () => {
    const answer = await transport.open({
      method: 'GET',
      path: `/v2/${repository}/referrers/${digest}?${query}`,
      scope,
      doing: `list ${where}`,
      headers: { accept: OCI_INDEX },
      expects: [200, ...UNKNOWN],
      signal,
    });
    if (answer.status !== 200) {
      await answer.body.discard();
      return undefined;
    }
    const bytes = await answer.body.readAll(MAX_DOCUMENT_BYTES);
    if (bytes === undefined) {
      throw invalid(listing, `sends more than ${MAX_DOCUMENT_BYTES} bytes`);
    }
    const found = parseIndex(listing, bytes);
    return found.filter((descriptor) => descriptor.artifactType === artifactType);
  });
}

function parseIndex(listing: ReferrerListing, bytes: Buffer): readonly Descriptor[] {
  try {
    const document = parseManifestDocument(bytes, OCI_INDEX, listing.where);
    if (document.kind === 'index') return document.index.manifests;
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause;
    throw invalid(listing, `sends no index: ${cause.message}`);
  }
  throw invalid(listing, 'sends no index');
}

function invalid({ where, transport }: ReferrerListing, why: string): EngineError {
  return new EngineError(
    'REGISTRY_RESPONSE_INVALID',
    `cannot list ${where}: ${transport.host} ${why}`,
  );
}
