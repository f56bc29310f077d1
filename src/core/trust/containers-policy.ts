/**
 * containers-policy.json(5), the policy that podman, skopeo and buildah share.
 *
 * Read are the global default and the transport `docker`, whose scopes are those of registries. As
 * there, an unknown field or type refuses the whole file. A requirement that is known but that dray
 * cannot verify refuses the images that it is for, and no others. Pure.
 */
import { isJsonObject, type JsonObject } from '../oci/json-document.ts';
import {
  invalidPolicy,
  objectAt,
  parsePolicyObject,
  requireKnownFields,
  textAt,
  textsAt,
} from './policy-json.ts';
import type { SignedIdentity } from './signed-identity.ts';
import type { KeySource, Requirement, Requirements, TrustPolicy } from './trust-policy.ts';

const KEY_FIELDS = ['keyPath', 'keyPaths', 'keyData', 'keyDatas'] as const;
const OTHER_ROOTS: readonly string[] = ['fulcio', 'pki'];
const REKOR_FIELDS: readonly string[] = [
  'rekorPublicKeyPath',
  'rekorPublicKeyPaths',
  'rekorPublicKeyData',
  'rekorPublicKeyDatas',
];

/** @throws EngineError `CONFIG_INVALID` */
export function parseContainersPolicy(text: string, file: string): TrustPolicy {
  const document = parsePolicyObject(text, file);
  requireKnownFields(document, ['default', 'transports'], { field: 'it', file });
  const fallback = requirementsAt(document.default, { field: '"default"', file });
  const scopes = new Map<string, Requirements>();
  let ofTransport: Requirements | undefined;
  for (const [transport, value] of Object.entries(
    objectAt(document.transports ?? {}, '"transports"', file),
  )) {
    for (const [scope, list] of Object.entries(objectAt(value, transport, file))) {
      const requirements = requirementsAt(list, { field: `${transport}: "${scope}"`, file });
      if (transport !== 'docker') continue;
      if (scope === '') ofTransport = requirements;
      else scopes.set(scope, requirements);
    }
  }
  return { file, scopes, fallback: ofTransport ?? fallback };
}

/** What a part of the file is called in errors. */
interface Place {
  readonly field: string;
  readonly file: string;
}

function requirementsAt(value: unknown, place: Place): Requirements {
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  const [first, ...rest] = list.map((item) =>
    requirementAt(objectAt(item, place.field, place.file), place),
  );
  if (first !== undefined) return [first, ...rest];
  throw invalidPolicy(place.file, `needs a list that is not empty in ${place.field}`);
}

function requirementAt(object: JsonObject, place: Place): Requirement {
  switch (object.type) {
    case 'insecureAcceptAnything':
      requireKnownFields(object, ['type'], place);
      return { type: 'insecure' };
    case 'reject':
      requireKnownFields(object, ['type'], place);
      return { type: 'reject' };
    case 'signedBy':
      requireKnownFields(object, ['type', 'keyType', ...KEY_FIELDS, 'signedIdentity'], place);
      return { type: 'unsupported', why: 'asks for a GPG signature, which dray does not verify' };
    case 'signedBaseLayer':
      requireKnownFields(object, ['type', 'baseLayerIdentity'], place);
      return { type: 'unsupported', why: 'asks for a signed base layer, which dray cannot verify' };
    case 'sigstoreSigned':
      return sigstoreSigned(object, place);
    default:
      throw invalidPolicy(place.file, `has an unknown type in ${place.field}`);
  }
}

function sigstoreSigned(object: JsonObject, place: Place): Requirement {
  const known = ['type', ...KEY_FIELDS, ...OTHER_ROOTS, ...REKOR_FIELDS, 'signedIdentity'];
  requireKnownFields(object, known, place);
  const roots = [...KEY_FIELDS, ...OTHER_ROOTS].filter((name) => object[name] !== undefined);
  if (roots.length !== 1) {
    throw invalidPolicy(
      place.file,
      `needs exactly one of ${[...KEY_FIELDS, ...OTHER_ROOTS].join(', ')} in ${place.field}`,
    );
  }
  const identity = identityAt(object.signedIdentity, place);
  const rekor = REKOR_FIELDS.find((name) => object[name] !== undefined);
  if (roots.some((name) => OTHER_ROOTS.includes(name))) {
    const why = `asks for a certificate ("${roots[0]}"), and dray verifies signatures of keys only`;
    return { type: 'unsupported', why };
  }
  if (rekor !== undefined) {
    return {
      type: 'unsupported',
      why: `asks for an entry in a log ("${rekor}"), which dray does not verify`,
    };
  }
  return { type: 'cosign', keys: keysAt(object, place), identity };
}

function keysAt(object: JsonObject, { field, file }: Place): KeySource[] {
  const { keyPath, keyPaths, keyData, keyDatas } = object;
  if (keyPath !== undefined) return [fileKey(textAt(keyPath, field, file))];
  if (keyPaths !== undefined) return textsAt(keyPaths, field, file).map(fileKey);
  const datas =
    keyData === undefined ? textsAt(keyDatas, field, file) : [textAt(keyData, field, file)];
  return datas.map((data) => ({
    kind: 'pem',
    pem: Buffer.from(data, 'base64').toString('latin1'),
    label: `the key in ${field}`,
  }));
}

function fileKey(path: string): KeySource {
  return { kind: 'file', path };
}

/** The fields of each kind of identity, beside its type. */
const IDENTITY_FIELDS: Readonly<Record<string, readonly string[]>> = {
  matchExact: [],
  matchRepoDigestOrExact: [],
  matchRepository: [],
  exactReference: ['dockerReference'],
  exactRepository: ['dockerRepository'],
  remapIdentity: ['prefix', 'signedPrefix'],
};

function identityAt(value: unknown, place: Place): SignedIdentity {
  if (value === undefined) return { type: 'matchRepoDigestOrExact' };
  const identity = isJsonObject(value) ? value : {};
  const { type } = identity;
  const fields =
    typeof type === 'string' && Object.hasOwn(IDENTITY_FIELDS, type)
      ? IDENTITY_FIELDS[type]
      : undefined;
  if (fields === undefined) {
    throw invalidPolicy(place.file, `has an unknown "signedIdentity" in ${place.field}`);
  }
  requireKnownFields(identity, ['type', ...fields], place);
  const text = (name: string): string =>
    textAt(identity[name], `${name} of ${place.field}`, place.file);
  switch (type) {
    case 'exactReference':
      return { type, dockerReference: text('dockerReference') };
    case 'exactRepository':
      return { type, dockerRepository: text('dockerRepository') };
    case 'remapIdentity':
      return { type, prefix: text('prefix'), signedPrefix: text('signedPrefix') };
    case 'matchExact':
    case 'matchRepository':
      return { type };
    default:
      return { type: 'matchRepoDigestOrExact' };
  }
}
