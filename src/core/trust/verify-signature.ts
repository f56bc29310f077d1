/** One signature of an image against the keys of a rule. Pure. */
import { EngineError, quote } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { VerifiedSignature } from '../oci/verified-signature.ts';
import { decodeBase64 } from './base64.ts';
import { isSignedBy, type TrustedKey } from './public-key.ts';
import { parseBundle } from './sigstore-bundle.ts';
import { parsePayload } from './simple-signing.ts';

/** What a signature has to be of, and by whom. */
export interface SignatureContext {
  readonly keys: readonly TrustedKey[];
  /** The manifests that it may be of, with their bytes where they are known. */
  readonly manifests: ReadonlyMap<Digest, Buffer | undefined>;
}

/** A good signature, or in a clause why it is none, such as `no key of the rule made it`. */
export type Verification =
  | { readonly isGood: true; readonly signature: VerifiedSignature }
  | { readonly isGood: false; readonly why: string };

/**
 * Verifies a payload and its signature in base64. Nothing of the payload is read before a key of the
 * rule turned out to have signed it.
 */
export function verifySimpleSignature(
  payload: Buffer,
  signature: unknown,
  context: SignatureContext,
): Verification {
  return refusing(() => {
    const bytes = decodeBase64(signature, 'annotation');
    const key = context.keys.find((candidate) => isSignedBy(candidate, payload, bytes));
    if (key === undefined) return NOT_OURS;
    const { digest, identity } = parsePayload(payload);
    return isOf(context, digest, {
      key: key.fingerprint,
      ...(identity === undefined ? {} : { identity }),
    });
  });
}

/** Verifies a bundle, which holds no name. */
export function verifyBundle(bytes: Buffer, context: SignatureContext): Verification {
  return refusing(() => {
    const { signature, signedBytes, digests } = parseBundle(bytes);
    if (signedBytes === undefined) return verifyMessage(signature, context);
    const key = context.keys.find((candidate) => isSignedBy(candidate, signedBytes, signature));
    if (key === undefined) return NOT_OURS;
    const digest = digests.find((candidate) => context.manifests.has(candidate)) ?? digests[0];
    if (digest === undefined) return { isGood: false, why: 'it names no digest' };
    return isOf(context, digest, { key: key.fingerprint });
  });
}

const NOT_OURS: Verification = { isGood: false, why: 'no key of the rule made it' };

function verifyMessage(signature: Buffer, { keys, manifests }: SignatureContext): Verification {
  for (const [digest, manifest] of manifests) {
    if (manifest === undefined) continue;
    const key = keys.find((candidate) => isSignedBy(candidate, manifest, signature));
    if (key !== undefined) return { isGood: true, signature: { digest, key: key.fingerprint } };
  }
  return NOT_OURS;
}

function isOf(
  { manifests }: SignatureContext,
  digest: Digest,
  signed: Omit<VerifiedSignature, 'digest'>,
): Verification {
  if (manifests.has(digest)) return { isGood: true, signature: { digest, ...signed } };
  return { isGood: false, why: `it is of ${quote(digest)}` };
}

function refusing(work: () => Verification): Verification {
  try {
    return work();
  } catch (error) {
    if (error instanceof EngineError) return { isGood: false, why: error.message };
    throw error;
  }
}
