/**
 * Public keys and what they verify: ECDSA on P-256, P-384 and P-521, Ed25519, and RSA of at least
 * 2048 bits with PKCS #1 v1.5, as cosign and containers/image make such signatures. Pure.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { EngineError, quote } from '../errors.ts';
import { type Digest, digestOf } from '../oci/digest.ts';

/** A public key that signatures are verified with. */
export interface TrustedKey {
  readonly key: KeyObject;
  readonly fingerprint: Digest;
  /** Where it came from, for messages. */
  readonly label: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,64})-----[^-]*-----END \1-----/g;
const PUBLIC_LABELS: readonly string[] = ['PUBLIC KEY', 'RSA PUBLIC KEY'];
/** Larger ones only cost time. */
const RSA_BITS = { least: 2048, most: 16_384 };

/** The hash functions that are in use with each curve; cosign's older versions took sha256 for all. */
const EC_HASHES: Readonly<Record<string, readonly string[]>> = {
  prime256v1: ['sha256'],
  secp384r1: ['sha384', 'sha256'],
  secp521r1: ['sha512', 'sha256'],
};

/**
 * The one public key in a PEM text.
 *
 * @param label names it in messages, such as the path of its file.
 * @throws EngineError `USAGE_INVALID` when there is none or more than one, when the text holds a
 *   private key or a certificate, or when the key is of a kind that dray does not verify with.
 */
export function parsePublicKey(pem: string, label: string): TrustedKey {
  const blocks = [...pem.matchAll(BLOCK)];
  const kinds = blocks.map(([, kind = '']) => kind);
  if (kinds.some((kind) => kind.endsWith('PRIVATE KEY'))) {
    throw invalid(label, 'is a private key; expected a public one', {
      hint: 'Give the public half: cosign calls its file cosign.pub.',
    });
  }
  const [block] = blocks;
  if (blocks.length !== 1 || block === undefined || !PUBLIC_LABELS.includes(kinds[0] ?? '')) {
    const found = kinds.length === 0 ? 'nothing of that kind' : kinds.map(quote).join(', ');
    throw invalid(label, `holds ${found}; expected one PEM block "PUBLIC KEY"`);
  }
  const key = decode(block[0], label);
  checkStrength(key, label);
  return { key, fingerprint: fingerprintOf(key), label };
}

/** The sha256 of the key's SubjectPublicKeyInfo. */
export function fingerprintOf(key: KeyObject): Digest {
  return digestOf(key.export({ type: 'spki', format: 'der' }));
}

/** The key as a PEM block "PUBLIC KEY". */
export function encodePublicKey(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

/** Whether `signature` over `bytes` was made with the private half of `key`. Never throws. */
export function isSignedBy({ key }: TrustedKey, bytes: Buffer, signature: Buffer): boolean {
  return hashesOf(key).some((hash) => {
    try {
      return verify(hash, bytes, key, signature);
    } catch {
      // OpenSSL could not read it: no signature of this key.
      return false;
    }
  });
}

/** The hash functions that signatures of a key are made with; undefined where it has its own. */
export function hashesOf(key: KeyObject): readonly (string | undefined)[] {
  if (key.asymmetricKeyType === 'ed25519') return [undefined];
  if (key.asymmetricKeyType === 'rsa') return ['sha256'];
  return EC_HASHES[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? [];
}

function decode(block: string, label: string): KeyObject {
  try {
    return createPublicKey(block);
  } catch (cause) {
    throw invalid(label, 'is not a public key that can be read', { cause });
  }
}

/** @throws EngineError `USAGE_INVALID` for a key that dray neither verifies nor signs with */
export function checkStrength(key: KeyObject, label: string): void {
  const type = key.asymmetricKeyType;
  if (type !== 'ec' && type !== 'ed25519' && type !== 'rsa') {
    throw invalid(label, `is of the kind ${quote(type ?? 'unknown')}; ${EXPECTED_KINDS}`);
  }
  if (hashesOf(key).length === 0) {
    const curve = key.asymmetricKeyDetails?.namedCurve ?? 'unknown';
    throw invalid(label, `is on the curve ${quote(curve)}; ${EXPECTED_KINDS}`);
  }
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && (bits < RSA_BITS.least || bits > RSA_BITS.most)) {
    throw invalid(label, `has ${bits} bits; ${EXPECTED_KINDS}`);
  }
}

const EXPECTED_KINDS =
  'expected ECDSA P-256, P-384 or P-521, Ed25519, or RSA of 2048 to 16384 bits';

function invalid(
  label: string,
  why: string,
  options: { readonly hint?: string; readonly cause?: unknown } = {},
): EngineError {
  return new EngineError('USAGE_INVALID', `the key ${quote(label)} ${why}`, options);
}
