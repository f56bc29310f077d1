/** What a signature said, once it was verified with a public key. */
import type { Digest } from './digest.ts';

/** A signature that was verified; kept in the store, so that it need not be fetched again. */
export interface VerifiedSignature {
  /** The manifest or index that was signed. */
  readonly digest: Digest;
  /** Fingerprint of the key: the sha256 of its SubjectPublicKeyInfo. */
  readonly key: Digest;
  /** The name under which the image was signed; undefined where the signature holds none. */
  readonly identity?: string;
}
