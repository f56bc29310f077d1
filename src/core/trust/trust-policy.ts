/**
 * What a signature policy is: per place of a registry, what an image from there has to have.
 *
 * A policy comes from dray's own file or from containers-policy.json(5); both become these types.
 * Pure.
 */
import type { Reference } from '../oci/reference.ts';
import { scopesOf } from './policy-scope.ts';
import type { SignedIdentity } from './signed-identity.ts';

/** Where a public key is: in the policy itself, or in a file that is read when the key is needed. */
export type KeySource =
  | { readonly kind: 'pem'; readonly pem: string; readonly label: string }
  | { readonly kind: 'file'; readonly path: string };

/** One thing that a policy asks of an image. */
export type Requirement =
  /** Nothing. */
  | { readonly type: 'insecure' }
  /** That it is not used. */
  | { readonly type: 'reject' }
  /** A signature by any of these keys, for this name. */
  | {
      readonly type: 'cosign';
      readonly keys: readonly KeySource[];
      readonly identity: SignedIdentity;
    }
  /** Something that dray cannot verify. `why` is a clause such as `asks for a GPG signature, …`. */
  | { readonly type: 'unsupported'; readonly why: string };

/** All of these must be met. Never empty. */
export type Requirements = readonly [Requirement, ...Requirement[]];

/** One policy file. */
export interface TrustPolicy {
  /** Absolute path, for messages. */
  readonly file: string;
  readonly scopes: ReadonlyMap<string, Requirements>;
  /** What holds where no scope does; undefined leaves it to the next file. */
  readonly fallback: Requirements | undefined;
}

/** What a policy decided about a reference. */
export interface TrustRule {
  readonly requirements: Requirements;
  readonly file: string;
  /** The scope that decided; undefined for the default. */
  readonly scope: string | undefined;
}

/**
 * The rule for an image: of the first policy that has one the most specific scope, else its default.
 * Undefined when no policy says anything.
 */
export function ruleFor(
  policies: readonly TrustPolicy[],
  reference: Reference,
): TrustRule | undefined {
  for (const { file, scopes, fallback } of policies) {
    for (const scope of scopesOf(reference)) {
      const requirements = scopes.get(scope);
      if (requirements !== undefined) return { requirements, file, scope };
    }
    if (fallback !== undefined) return { requirements: fallback, file, scope: undefined };
  }
  return undefined;
}

/** A rule as messages name it, such as `the rule for "quay.io/app" in "/etc/dray/trust.json"`. */
export function describeRule({ scope, file }: TrustRule): string {
  return scope === undefined
    ? `the default in ${JSON.stringify(file)}`
    : `the rule for ${JSON.stringify(scope)} in ${JSON.stringify(file)}`;
}
