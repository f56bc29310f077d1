/** Verified signatures as the text of an annotation in `index.json`. Pure. */
import { isDigest } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json-document.ts';
import type { VerifiedSignature } from '../oci/verified-signature.ts';

/** The most that are kept of one image; a rule needs one or two. */
const MOST_KEPT = 16;

/** The annotation's text; undefined when there is nothing to keep. */
export function encodeVerified(
  signatures: readonly VerifiedSignature[] | undefined,
): string | undefined {
  if (signatures === undefined || signatures.length === 0) return undefined;
  return JSON.stringify(signatures.slice(0, MOST_KEPT));
}

/**
 * What an annotation says. Whatever is damaged is left out: the image then counts as not verified, and
 * is verified again where a rule asks for it.
 */
export function decodeVerified(text: unknown): readonly VerifiedSignature[] {
  if (typeof text !== 'string') return [];
  const items = parseList(text);
  return items.slice(0, MOST_KEPT).flatMap((item) => {
    if (!isJsonObject(item)) return [];
    const { digest, key, identity } = item;
    if (!isDigest(digest) || !isDigest(key)) return [];
    if (identity === undefined) return [{ digest, key }];
    return typeof identity === 'string' ? [{ digest, key, identity }] : [];
  });
}

function parseList(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
