/**
 * The payload of a cosign signature: "simple signing", a JSON document that says which digest was
 * signed under which name (containers-signature(5); cosign's `SIGNATURE_SPEC.md`). Pure.
 *
 *     {"critical": {"identity": {"docker-reference": NAME},
 *                   "image": {"docker-manifest-digest": DIGEST},
 *                   "type": "cosign container image signature"},
 *      "optional": null}
 */
import { EngineError, quote } from '../errors.ts';
import { type Digest, parseDigest } from '../oci/digest.ts';
import { parseJsonObject, requireObject, requireString } from '../oci/json-document.ts';

const SIGNATURE_TYPE = 'cosign container image signature';
const CRITICAL_FIELDS: readonly string[] = ['identity', 'image', 'type'];

/** What a payload says. */
export interface SignedClaim {
  readonly digest: Digest;
  /** As it stands in the payload; undefined where the format has no name. */
  readonly identity: string | undefined;
}

/**
 * Reads a payload. Whatever is in `optional` says nothing; an unknown field in `critical` refuses it.
 *
 * @throws EngineError `IMAGE_INVALID`, `DIGEST_INVALID`
 */
export function parsePayload(bytes: Buffer): SignedClaim {
  const where = 'its payload';
  const critical = requireObject(parseJsonObject(bytes, where).critical, 'critical', where);
  const type = requireString(critical.type, 'critical.type', where);
  if (type !== SIGNATURE_TYPE) {
    throw new EngineError(
      'IMAGE_INVALID',
      `${where} is of the type ${quote(type)}; expected ${quote(SIGNATURE_TYPE)}`,
    );
  }
  const unknown = Object.keys(critical).find((field) => !CRITICAL_FIELDS.includes(field));
  if (unknown !== undefined) {
    throw new EngineError(
      'IMAGE_INVALID',
      `${where} has the critical field ${quote(unknown)}, which dray does not know`,
    );
  }
  const image = requireObject(critical.image, 'critical.image', where);
  const identity = requireObject(critical.identity, 'critical.identity', where);
  return {
    digest: parseDigest(image['docker-manifest-digest'], where),
    identity: requireString(
      identity['docker-reference'],
      'critical.identity.docker-reference',
      where,
    ),
  };
}

/** The payload that says `digest` was signed as `identity`. The same every time: it holds no time. */
export function encodePayload(digest: Digest, identity: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': identity },
        image: { 'docker-manifest-digest': digest },
        type: SIGNATURE_TYPE,
      },
      optional: null,
    }),
  );
}
