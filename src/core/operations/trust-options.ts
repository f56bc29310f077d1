/** What a signature policy asks of one image, and how it is applied. */
import type { EngineError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { VerifiedSignature } from '../oci/verified-signature.ts';
import type { OperationOptions } from '../progress.ts';
import type { ImageRecord } from '../store/image-store.ts';

/** How the signature policy is applied. */
export interface TrustOptions extends OperationOptions {
  /** Use the image whatever the policy asks for, with a warning. */
  readonly ignoresSignatures?: boolean;
}

/** How it is applied to an image that is in the store. */
export interface StoredTrustOptions extends TrustOptions {
  /** Signatures may be looked for in the registry. */
  readonly mayAsk: boolean;
}

/** A manifest that a signature may be of. */
export interface SignedManifest {
  readonly digest: Digest;
  /** For signatures over the bytes themselves; such a signature does not count without. */
  readonly bytes: Buffer | undefined;
}

/** Signatures that the policy asks for. */
export interface ImageTrust {
  /** Whether the signatures that the store remembers are enough. Asks nobody. */
  isMetBy(record: ImageRecord): boolean;
  /**
   * Looks for enough signatures in the registry.
   *
   * @param manifests what the reference points to first, then the manifest that it leads to.
   * @returns those that count, to be remembered.
   * @throws EngineError `TRUST_REFUSED`
   */
  verify(manifests: readonly SignedManifest[]): Promise<readonly VerifiedSignature[]>;
  /** The error for an image of the store whose signatures may not be looked for. */
  refusal(record: ImageRecord): EngineError;
}
