/**
 * Whether an image has all that a rule asks for, given the signatures of it that were verified.
 *
 * The same question is asked of signatures that were just fetched and of those that the store
 * remembers, so that a change of the policy counts for images that are already here. Pure.
 */
import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { VerifiedSignature } from '../oci/verified-signature.ts';
import type { TrustedKey } from './public-key.ts';
import { isIdentityAccepted, type SignedIdentity } from './signed-identity.ts';

/** A signature that a rule asks for, with its keys read. */
export interface KeyRequirement {
  /** One of them is enough. */
  readonly keys: readonly TrustedKey[];
  readonly identity: SignedIdentity;
}

/** The image that signatures are for. */
export interface SignedSubject {
  readonly reference: Reference;
  /** What the reference points to, and the manifest of this platform that it leads to. */
  readonly digests: readonly Digest[];
}

/** The first requirement that no signature meets; undefined when all are met. */
export function unmetRequirement(
  requirements: readonly KeyRequirement[],
  subject: SignedSubject,
  signatures: readonly VerifiedSignature[],
): KeyRequirement | undefined {
  return requirements.find(
    (requirement) => !signatures.some((signature) => isAccepted(requirement, subject, signature)),
  );
}

function isAccepted(
  { keys, identity }: KeyRequirement,
  { reference, digests }: SignedSubject,
  signature: VerifiedSignature,
): boolean {
  return (
    digests.includes(signature.digest) &&
    keys.some(({ fingerprint }) => fingerprint === signature.key) &&
    isIdentityAccepted(identity, reference, signature.identity)
  );
}
