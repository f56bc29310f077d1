/**
 * Digests, as image-spec `descriptor.md` defines them: `algorithm ":" encoded`.
 *
 * `Digest`, `DiffId` and `ChainId` are branded strings made only here, so that the mix-up of a
 * compressed with an uncompressed digest does not compile. The registered algorithms sha256 and
 * sha512 are accepted; upper-case hex is not, since image-spec forbids it and since a digest becomes
 * a file name.
 */
import { createHash } from 'node:crypto';
import { EngineError, quote } from '../errors.ts';

/** Digest of the exact bytes of a blob, for example `sha256:…`. */
export type Digest = string & { readonly __brand: 'Digest' };
/** Digest of a layer's uncompressed tar (image-spec config, `rootfs.diff_ids`). */
export type DiffId = string & { readonly __brand: 'DiffId' };
/** Identifies a stack of layers (image-spec config, "Layer ChainID"). */
export type ChainId = string & { readonly __brand: 'ChainId' };
/** Digest of the image config: the image's identity. */
export type ImageId = Digest;

/** The digest algorithms that dray verifies. */
export type DigestAlgorithm = 'sha256' | 'sha512';

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

function isDigestText(text: string): boolean {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  if (algorithm !== 'sha256' && algorithm !== 'sha512') return false;
  const hex = text.slice(colon + 1);
  return hex.length === HEX_LENGTH[algorithm] && /^[0-9a-f]+$/.test(hex);
}

/** Whether `text` is a digest that dray can verify. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && isDigestText(text);
}

/**
 * Parses a digest.
 *
 * @param where names the place it was read from, for the error.
 * @throws EngineError `DIGEST_INVALID`
 */
export function parseDigest(text: unknown, where: string): Digest {
  if (isDigest(text)) return text;
  throw invalidDigest(text, where);
}

/** Parses a diffID. @throws EngineError `DIGEST_INVALID` */
export function parseDiffId(text: unknown, where: string): DiffId {
  if (typeof text === 'string' && isDigestText(text)) return text as DiffId;
  throw invalidDigest(text, where);
}

function invalidDigest(text: unknown, where: string): EngineError {
  const found = typeof text === 'string' ? quote(text) : typeof text;
  return new EngineError(
    'DIGEST_INVALID',
    `${where} holds ${found} where a digest such as "sha256:<64 lower-case hex>" was expected`,
  );
}

/** The algorithm of a digest. */
export function algorithmOf(digest: Digest | DiffId | ChainId): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** The hex part of a digest. */
export function hexOf(digest: Digest | DiffId | ChainId): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The digest of `bytes`. */
export function digestOf(
  bytes: Uint8Array | string,
  algorithm: DigestAlgorithm = 'sha256',
): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** Makes a digest from the hex that a hash function gave. */
export function digestFromHash(algorithm: DigestAlgorithm, hex: string): Digest {
  return `${algorithm}:${hex}` as Digest;
}

/** The diffID that a hash function gave. */
export function diffIdFromHash(algorithm: DigestAlgorithm, hex: string): DiffId {
  return `${algorithm}:${hex}` as DiffId;
}

/**
 * The chainID of a stack of layers, lowest first (image-spec config, "Layer ChainID").
 * An image without layers has the chainID of the empty string.
 */
export function chainIdOf(diffIds: readonly DiffId[]): ChainId {
  const [first, ...rest] = diffIds;
  if (first === undefined) return digestOf('') as string as ChainId;
  let chain: string = first;
  for (const diffId of rest) chain = digestOf(`${chain} ${diffId}`);
  return chain as ChainId;
}
