/**
 * Looks for the signatures of an image in its registry, until a rule has what it asks for.
 *
 * For each manifest, the one that the reference points to first, these are looked at: the tag
 * `sha256-<hex>.sig`, and the referrers, or the tag that stands in for them. A signature is verified
 * with the keys of the rule and nothing else: no log, no certificate, no time.
 */
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifestDocument } from '../oci/image-manifest.ts';
import { OCI_INDEX } from '../oci/media-type.ts';
import type { VerifiedSignature } from '../oci/verified-signature.ts';
import {
  COSIGN_REFERRER,
  parseSignatureLayers,
  referrersTagOf,
  SIGNATURE_ANNOTATION,
  SIGSTORE_BUNDLE,
  signatureTagOf,
} from '../trust/signature-manifest.ts';
import {
  type SignatureContext,
  type Verification,
  verifyBundle,
  verifySimpleSignature,
} from '../trust/verify-signature.ts';
import type { SignaturePlace } from './signature-places.ts';

const MAX_PAYLOAD_BYTES = 128 * 1024;
/** With the proof of a log in it, a bundle has some 10 KiB. */
const MAX_BUNDLE_BYTES = 1024 * 1024;
const MAX_REFERRERS = 32;

/** What was found in the places that were asked. */
export interface SignatureSearch {
  /** Good signatures by keys of the rule. */
  readonly verified: readonly VerifiedSignature[];
  /** Why other signatures are not good, or could not be read. Sentences without a full stop. */
  readonly problems: readonly string[];
  /** Whether a place did not answer, so that there may be more signatures. */
  readonly isIncomplete: boolean;
}

/**
 * Verifies signatures, place after place, until `isEnough` says so.
 *
 * A signature, or a place, that is damaged or hostile hides no other: why it does not count is among
 * the problems.
 *
 * @throws EngineError `CANCELLED`
 */
export async function findSignatures(
  places: readonly SignaturePlace[],
  context: SignatureContext,
  isEnough: (verified: readonly VerifiedSignature[]) => boolean,
): Promise<SignatureSearch> {
  const verified: VerifiedSignature[] = [];
  const problems = new Set<string>();
  let isIncomplete = false;
  for await (const found of signaturesOf(places, context)) {
    if ('problem' in found) {
      problems.add(found.problem);
      isIncomplete ||= found.isUnreachable;
    } else {
      verified.push(found);
      if (isEnough(verified)) break;
    }
  }
  return { verified, problems: [...problems], isIncomplete };
}

/** Why something is no good signature. */
interface Problem {
  readonly problem: string;
  readonly isUnreachable: boolean;
}

type Finding = VerifiedSignature | Problem;

function problemOf(problem: string): Problem {
  return { problem, isUnreachable: false };
}

async function* signaturesOf(
  places: readonly SignaturePlace[],
  context: SignatureContext,
): AsyncGenerator<Finding> {
  for (const digest of context.manifests.keys()) {
    for (const place of places) {
      yield* guarded(`the signatures ${quote(signatureTagOf(digest))}`, () =>
        ofTag(place, digest, context),
      );
      for (const artifactType of [SIGSTORE_BUNDLE, COSIGN_REFERRER]) {
        yield* guarded(`the signatures that refer to ${digest}`, () =>
          ofReferrers(place, { digest, artifactType }, context),
        );
      }
    }
  }
}

/** What goes wrong with one source of signatures is a problem of that source. */
async function* guarded(
  what: string,
  source: () => AsyncGenerator<Finding>,
): AsyncGenerator<Finding> {
  try {
    yield* source();
  } catch (error) {
    if (!(error instanceof EngineError) || error.code === 'CANCELLED') throw error;
    yield {
      problem: `${what} cannot be read: ${error.message}`,
      isUnreachable: error.code === 'REGISTRY_UNAVAILABLE',
    };
  }
}

async function* ofTag(
  place: SignaturePlace,
  digest: Digest,
  context: SignatureContext,
): AsyncGenerator<Finding> {
  const tag = signatureTagOf(digest);
  const manifest = await place.manifest(tag);
  if (manifest !== undefined) yield* ofManifest(place, manifest, { where: quote(tag), context });
}

async function* ofReferrers(
  place: SignaturePlace,
  wanted: { readonly digest: Digest; readonly artifactType: string },
  context: SignatureContext,
): AsyncGenerator<Finding> {
  const referrers = await listReferrers(place, wanted);
  if (referrers.length > MAX_REFERRERS) {
    yield problemOf(
      `${wanted.digest} has ${referrers.length} referrers; ${MAX_REFERRERS} are looked at`,
    );
  }
  for (const { digest } of referrers.slice(0, MAX_REFERRERS)) {
    const manifest = await place.manifest(digest);
    if (manifest === undefined) continue;
    yield* ofManifest(place, manifest, { where: `the referrer ${digest}`, context });
  }
}

async function listReferrers(
  place: SignaturePlace,
  { digest, artifactType }: { readonly digest: Digest; readonly artifactType: string },
): Promise<readonly Descriptor[]> {
  const found = await place.referrers(digest, artifactType);
  if (found !== undefined) return found;
  const tag = referrersTagOf(digest);
  const bytes = await place.manifest(tag);
  if (bytes === undefined) return [];
  const document = parseManifestDocument(bytes, OCI_INDEX, quote(tag));
  const all = document.kind === 'index' ? document.index.manifests : [];
  return all.filter((descriptor) => descriptor.artifactType === artifactType);
}

async function* ofManifest(
  place: SignaturePlace,
  manifest: Buffer,
  { where, context }: { readonly where: string; readonly context: SignatureContext },
): AsyncGenerator<Finding> {
  for (const layer of parseSignatureLayers(manifest, where)) {
    yield* guarded(`the signature ${layer.digest} in ${where}`, async function* () {
      const result = await verifyLayer(place, layer, context);
      yield result.isGood
        ? result.signature
        : problemOf(`the signature ${layer.digest} in ${where} does not count: ${result.why}`);
    });
  }
}

async function verifyLayer(
  place: SignaturePlace,
  layer: Descriptor,
  context: SignatureContext,
): Promise<Verification> {
  if (layer.mediaType === SIGSTORE_BUNDLE) {
    return verifyBundle(await place.blob(layer, MAX_BUNDLE_BYTES), context);
  }
  const signature = layer.annotations?.[SIGNATURE_ANNOTATION];
  if (signature === undefined) return { isGood: false, why: 'its annotation is missing' };
  return verifySimpleSignature(await place.blob(layer, MAX_PAYLOAD_BYTES), signature, context);
}
