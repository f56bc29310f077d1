/**
 * Sigstore bundles of version 0.3 that were signed with a key, as cosign 3 stores them
 * (sigstore `protobuf-specs`, `sigstore_bundle.proto`; DSSE `protocol.md`; in-toto Statement v1).
 *
 *     {"mediaType": …, "verificationMaterial": {"publicKey": {"hint": …}, …},
 *      "dsseEnvelope": {"payload": base64, "payloadType": …, "signatures": [{"sig": base64}]}}
 *
 * or, in place of the envelope, `"messageSignature": {"signature": base64, …}` over the bytes of the
 * manifest itself. Only the key is verified: log entries and time stamps are not looked at. Pure.
 */
import { EngineError, quote } from '../errors.ts';
import { type Digest, parseDigest } from '../oci/digest.ts';
import {
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  requireArray,
  requireObject,
  requireString,
} from '../oci/json-document.ts';
import { decodeBase64 } from './base64.ts';

/** What only a signature has: attestations of the same key are statements of another type. */
const SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';
const STATEMENT = 'https://in-toto.io/Statement/v1';
const STATEMENT_PAYLOAD = 'application/vnd.in-toto+json';
const MEDIA_TYPE = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.3\+json|\+json;version=0\.3)$/;

/** A signature in a bundle. */
export interface BundleSignature {
  readonly signature: Buffer;
  /** The signed bytes; undefined: those of the manifest. */
  readonly signedBytes: Buffer | undefined;
  /** The digests that the signed bytes speak of; empty when they are the manifest's. */
  readonly digests: readonly Digest[];
}

/**
 * Reads a bundle. What it says is to be believed only after its signature was verified.
 *
 * @throws EngineError `IMAGE_INVALID` when it is not a bundle of a key's signature; `DIGEST_INVALID`
 */
export function parseBundle(bytes: Buffer): BundleSignature {
  const where = 'its bundle';
  const bundle = parseJsonObject(bytes, where);
  const mediaType = requireString(bundle.mediaType, 'mediaType', where);
  if (!MEDIA_TYPE.test(mediaType)) throw refused(`is of the type ${quote(mediaType)}`);
  const material = requireObject(bundle.verificationMaterial, 'verificationMaterial', where);
  if (!isJsonObject(material.publicKey)) {
    throw refused('was signed with a certificate; dray verifies signatures of keys only');
  }
  if ((bundle.dsseEnvelope === undefined) === (bundle.messageSignature === undefined)) {
    throw refused('needs either an envelope or the signature of a message');
  }
  if (bundle.dsseEnvelope === undefined) {
    const message = requireObject(bundle.messageSignature, 'messageSignature', where);
    const signature = decodeBase64(message.signature, 'messageSignature.signature');
    return { signature, signedBytes: undefined, digests: [] };
  }
  return readEnvelope(requireObject(bundle.dsseEnvelope, 'dsseEnvelope', where));
}

function readEnvelope(envelope: JsonObject): BundleSignature {
  const where = 'its bundle';
  const type = requireString(envelope.payloadType, 'dsseEnvelope.payloadType', where);
  const payload = decodeBase64(envelope.payload, 'dsseEnvelope.payload');
  const signatures = requireArray(envelope.signatures, 'dsseEnvelope.signatures', where);
  const [first] = signatures;
  if (signatures.length !== 1 || !isJsonObject(first)) {
    throw refused(`holds ${signatures.length} signatures; expected 1`);
  }
  if (type !== STATEMENT_PAYLOAD) throw refused(`holds the type ${quote(type)}`);
  return {
    signature: decodeBase64(first.sig, 'dsseEnvelope.signatures[0].sig'),
    signedBytes: preAuthenticationEncoding(type, payload),
    digests: readStatement(payload),
  };
}

/** What DSSE signs: lengths are written out, so that nothing can be moved between type and payload. */
function preAuthenticationEncoding(type: string, payload: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

function readStatement(payload: Buffer): Digest[] {
  const where = 'the statement in its bundle';
  const statement = parseJsonObject(payload, where);
  const type = requireString(statement._type, '_type', where);
  const predicate = requireString(statement.predicateType, 'predicateType', where);
  if (type !== STATEMENT || predicate !== SIGN_PREDICATE) {
    throw refused(`is about ${quote(predicate)}; only ${quote(SIGN_PREDICATE)} is a signature`);
  }
  const subjects = requireArray(statement.subject, 'subject', where);
  return subjects.flatMap((subject) => {
    const digest = isJsonObject(subject) ? subject.digest : undefined;
    return Object.entries(isJsonObject(digest) ? digest : {}).flatMap(([algorithm, hex]) =>
      algorithm === 'sha256' || algorithm === 'sha512'
        ? parseDigest(`${algorithm}:${String(hex)}`, where)
        : [],
    );
  });
}

function refused(why: string): EngineError {
  return new EngineError('IMAGE_INVALID', `its bundle ${why}`);
}
