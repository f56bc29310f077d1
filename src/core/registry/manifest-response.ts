/** Checks of what a registry answers to a request for a manifest (distribution-spec, "Pulling manifests"). */
import { gunzipSync } from 'node:zlib';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { algorithmOf, type Digest, digestOf, isDigest, parseDigest } from '../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import type { Answer } from './exchange.ts';
import { headerOf } from './registry-error.ts';

/**
 * The decoded body.
 *
 * @throws EngineError `REGISTRY_RESPONSE_INVALID` when it is over 4 MiB, decoded or not, or in another
 * encoding than gzip.
 */
export async function readManifestBody(answer: Answer, where: string): Promise<Buffer> {
  const announced = Number(headerOf(answer, 'content-length') ?? 0);
  const bytes =
    announced > MAX_DOCUMENT_BYTES ? undefined : await answer.body.readAll(MAX_DOCUMENT_BYTES);
  if (bytes === undefined) {
    answer.body.close();
    throw tooLarge(where);
  }
  const encoding = headerOf(answer, 'content-encoding')?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === '') return bytes;
  if (encoding === 'gzip') return gunzip(bytes, where);
  throw new EngineError(
    'REGISTRY_RESPONSE_INVALID',
    `${where} came in the content encoding ${quote(encoding)}, which was not asked for`,
  );
}

function gunzip(bytes: Buffer, where: string): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_DOCUMENT_BYTES });
  } catch (error) {
    if (hasErrno(error, 'ERR_BUFFER_TOO_LARGE')) throw tooLarge(where);
    throw new EngineError('REGISTRY_RESPONSE_INVALID', `${where} cannot be decoded from gzip`, {
      cause: error,
    });
  }
}

function tooLarge(where: string): EngineError {
  return new EngineError(
    'REGISTRY_RESPONSE_INVALID',
    `${where} is larger than ${MAX_DOCUMENT_BYTES} bytes`,
  );
}

/**
 * The digest in the answer's header, if it has one.
 *
 * @throws EngineError `DIGEST_INVALID`
 */
export function statedDigest(answer: Answer, where: string): Digest | undefined {
  const header = headerOf(answer, 'docker-content-digest');
  return header === undefined || header === ''
    ? undefined
    : parseDigest(header, `the Docker-Content-Digest header of ${where}`);
}

/**
 * Checks `bytes` against the digest that was asked for and the one that the registry stated.
 *
 * @returns the digest that was asked for, else the stated one, else that of the bytes.
 * @throws EngineError `DIGEST_MISMATCH`
 */
export function verifyManifest(
  bytes: Buffer,
  expected: { readonly asked: string; readonly stated: Digest | undefined },
  where: string,
): Digest {
  const asked = isDigest(expected.asked) ? expected.asked : undefined;
  for (const digest of [asked, expected.stated]) {
    if (digest === undefined) continue;
    const found = digestOf(bytes, algorithmOf(digest));
    if (found !== digest) {
      throw new EngineError(
        'DIGEST_MISMATCH',
        `${where} does not have its digest: expected ${quote(digest)}, found ${quote(found)}`,
      );
    }
  }
  return asked ?? expected.stated ?? digestOf(bytes);
}
