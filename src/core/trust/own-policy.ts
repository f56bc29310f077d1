/**
 * dray's own policy file, which `dray trust` writes. It holds the keys themselves, so that it is
 * replaced as a whole and needs no other file.
 *
 *     {"version": 1,
 *      "default": {"type": "insecure"},
 *      "prefixes": {"quay.io/team": {"type": "cosign",
 *                                    "keys": [{"label": "cosign.pub", "pem": "-----BEGIN …"}],
 *                                    "signedAs": "quay.io/team/app"}}}
 *
 * `default` may be absent: then containers-policy.json(5) decides, where there is one. Pure.
 */
import type { JsonObject } from '../oci/json-document.ts';
import {
  invalidPolicy,
  objectAt,
  parsePolicyObject,
  requireKnownFields,
  textAt,
} from './policy-json.ts';
import type { Requirements, TrustPolicy } from './trust-policy.ts';

/** A public key in the file. */
export interface OwnKey {
  /** The name of the file that it was copied from. */
  readonly label: string;
  readonly pem: string;
}

/** One rule, as the file holds it. */
export type OwnRule =
  | { readonly type: 'insecure' }
  | { readonly type: 'reject' }
  | {
      readonly type: 'cosign';
      readonly keys: readonly OwnKey[];
      /** The repository that signatures must name, where it is not the one in use. */
      readonly signedAs?: string;
    };

/** The file's content. */
export interface OwnPolicy {
  readonly fallback: OwnRule | undefined;
  readonly prefixes: ReadonlyMap<string, OwnRule>;
}

/** What the file means while there is none. */
export const NO_OWN_POLICY: OwnPolicy = { fallback: undefined, prefixes: new Map() };

const VERSION = 1;

/** @throws EngineError `CONFIG_INVALID` */
export function parseOwnPolicy(text: string, file: string): OwnPolicy {
  const document = parsePolicyObject(text, file);
  if (document.version !== VERSION) {
    throw invalidPolicy(file, `is not of version ${VERSION}, the one that this dray knows`);
  }
  requireKnownFields(document, ['version', 'default', 'prefixes'], { field: 'it', file });
  const prefixes = objectAt(document.prefixes ?? {}, '"prefixes"', file);
  return {
    fallback:
      document.default === undefined ? undefined : ruleAt(document.default, '"default"', file),
    prefixes: new Map(
      Object.entries(prefixes).map(([prefix, rule]) => [
        prefix,
        ruleAt(rule, JSON.stringify(prefix), file),
      ]),
    ),
  };
}

function ruleAt(value: unknown, field: string, file: string): OwnRule {
  const rule = objectAt(value, field, file);
  const where = { field, file };
  if (rule.type === 'insecure' || rule.type === 'reject') {
    requireKnownFields(rule, ['type'], where);
    return { type: rule.type };
  }
  if (rule.type !== 'cosign') throw invalidPolicy(file, `has an unknown type in ${field}`);
  requireKnownFields(rule, ['type', 'keys', 'signedAs'], where);
  const keys: readonly unknown[] = Array.isArray(rule.keys) ? rule.keys : [];
  if (keys.length === 0) throw invalidPolicy(file, `has no keys in ${field}`);
  return {
    type: 'cosign',
    keys: keys.map((key) => keyAt(objectAt(key, field, file), where)),
    ...(rule.signedAs === undefined ? {} : { signedAs: textAt(rule.signedAs, field, file) }),
  };
}

function keyAt(key: JsonObject, where: { readonly field: string; readonly file: string }): OwnKey {
  const { field, file } = where;
  requireKnownFields(key, ['label', 'pem'], where);
  return { label: textAt(key.label, field, file), pem: textAt(key.pem, field, file) };
}

/** The bytes of a file with this content. */
export function encodeOwnPolicy({ fallback, prefixes }: OwnPolicy): string {
  const document = {
    version: VERSION,
    ...(fallback === undefined ? {} : { default: fallback }),
    prefixes: Object.fromEntries(prefixes),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** The policy that the file means. */
export function policyOf(own: OwnPolicy, file: string): TrustPolicy {
  return {
    file,
    scopes: new Map([...own.prefixes].map(([prefix, rule]) => [prefix, requirementsOf(rule)])),
    fallback: own.fallback === undefined ? undefined : requirementsOf(own.fallback),
  };
}

function requirementsOf(rule: OwnRule): Requirements {
  if (rule.type !== 'cosign') return [rule];
  const { keys, signedAs } = rule;
  return [
    {
      type: 'cosign',
      keys: keys.map((key) => ({ kind: 'pem', ...key })),
      identity:
        signedAs === undefined
          ? { type: 'ownRepository' }
          : { type: 'exactRepository', dockerRepository: signedAs },
    },
  ];
}
