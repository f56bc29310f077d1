/** What the signature policy asks of one image, and whether the image has it. */
import { readFileSync, statSync } from 'node:fs';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { formatReference, parseReference, type Reference } from '../oci/reference.ts';
import type { VerifiedSignature } from '../oci/verified-signature.ts';
import { readSmallBlob } from '../store/blob-store.ts';
import type { ImageRecord } from '../store/image-store.ts';
import {
  type KeyRequirement,
  type SignedSubject,
  unmetRequirement,
} from '../trust/accept-signatures.ts';
import { invalidPolicy } from '../trust/policy-json.ts';
import { parsePublicKey, type TrustedKey } from '../trust/public-key.ts';

import { describeIdentity } from '../trust/signed-identity.ts';
import { describeRule, type KeySource, ruleFor, type TrustRule } from '../trust/trust-policy.ts';
import type { Engine, EngineSettings } from './engine.ts';
import type { ImageTrust, StoredTrustOptions, TrustOptions } from './trust-options.ts';
import { loadTrustPolicies } from './trust-policy.ts';
import type { SignatureSearch } from './verify-signatures.ts';

const MAX_KEY_BYTES = 64 * 1024;
const SHOWN_PROBLEMS = 3;

/** As `trustOf`, where there is a policy. */
export function openTrust(
  settings: EngineSettings,
  reference: Reference,
  options: TrustOptions,
): ImageTrust | undefined {
  const rule = ruleFor(loadTrustPolicies(settings), reference);
  if (rule === undefined || rule.requirements.every(({ type }) => type === 'insecure')) {
    return undefined;
  }
  if (options.ignoresSignatures === true) {
    const message = `${quote(formatReference(reference))} is used without its signatures being verified, against ${describeRule(rule)}`;
    options.onProgress?.({ type: 'warning', message });
    return undefined;
  }
  const requirements = keyRequirements(rule, reference);
  const unmetBy = (record: ImageRecord): KeyRequirement | undefined =>
    unmetRequirement(requirements, subjectOf(reference, record), record.verified ?? []);
  return {
    isMetBy: (record) => unmetBy(record) === undefined,
    verify: async (manifests) => {
      const digests = manifests.map(({ digest }) => digest);
      const subject = { reference, digests };
      const isEnough = (verified: readonly VerifiedSignature[]): boolean =>
        unmetRequirement(requirements, subject, verified) === undefined;
      const context = {
        keys: requirements.flatMap(({ keys }) => keys),
        manifests: new Map(manifests.map(({ digest, bytes }) => [digest, bytes])),
      };
      // Loaded only now: an image that needs no signature, or has it, is run without the registry.
      const { openSignaturePlaces } = await import('./signature-places.ts');
      const { findSignatures } = await import('./verify-signatures.ts');
      await using places = await openSignaturePlaces(reference, settings, options);
      const found = await findSignatures(places.places, context, isEnough);
      const unmet = unmetRequirement(requirements, subject, found.verified);
      if (unmet === undefined) return found.verified;
      const why = describeUnmet(unmet, subject, found);
      throw refused(reference, rule, why, found.isIncomplete ? UNREACHABLE : UNSIGNED);
    },
    refusal: (record) => {
      const asked = describeKeys(unmetBy(record)?.keys ?? []);
      const why = `asks for a signature by ${asked}, and none that counts was verified when it was fetched`;
      return refused(reference, rule, why);
    },
  };
}

/** As `requireTrusted`, where there is a policy. */
export async function requireTrustedRecord(
  engine: Engine,
  records: readonly ImageRecord[],
  options: StoredTrustOptions,
): Promise<void> {
  let first: { readonly record: ImageRecord; readonly trust: ImageTrust } | undefined;
  let failure: unknown;
  for (const record of records) {
    const name = record.reference ?? record.formerReference;
    // The policy is about what registries give.
    if (name === undefined || record.isFromFile === true) return;
    try {
      const trust = openTrust(engine.settings, parseReference(name), options);
      if (trust === undefined || trust.isMetBy(record)) return;
      first ??= { record, trust };
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'TRUST_REFUSED') throw error;
      failure ??= error;
    }
  }
  if (first === undefined) throw failure;
  await verifyStored(engine, first.record, { ...options, trust: first.trust });
}

/**
 * Verifies an image of the store with signatures of the registry, and remembers them.
 *
 * @throws EngineError `TRUST_REFUSED`, also when the registry may not be asked
 */
export async function verifyStored(
  engine: Engine,
  record: ImageRecord,
  options: StoredTrustOptions & { readonly trust: ImageTrust },
): Promise<void> {
  const { trust, mayAsk, signal } = options;
  if (!mayAsk) throw trust.refusal(record);
  const { digest } = record.manifest;
  const own = { digest, bytes: readSmallBlob(engine.settings.dataDir, digest, MAX_MANIFEST_BYTES) };
  const top = record.resolvedDigest;
  const isIndexed = top !== undefined && top !== digest;
  const verified = await trust.verify([
    ...(isIndexed ? [{ digest: top, bytes: undefined }] : []),
    own,
  ]);
  await engine.store.updateReferences(
    (records) =>
      records.map((each) =>
        each.manifest.digest === digest && each.reference === record.reference
          ? { ...each, verified }
          : each,
      ),
    signal === undefined ? {} : { signal },
  );
}

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

function subjectOf(reference: Reference, { manifest, resolvedDigest }: ImageRecord): SignedSubject {
  const top = resolvedDigest === undefined ? [] : [resolvedDigest];
  return { reference, digests: [...top, manifest.digest] };
}

/** @throws EngineError `TRUST_REFUSED` for what no signature can meet; `CONFIG_INVALID` for its keys */
function keyRequirements(rule: TrustRule, reference: Reference): KeyRequirement[] {
  const found: KeyRequirement[] = [];
  for (const requirement of rule.requirements) {
    if (requirement.type === 'reject') throw refused(reference, rule, undefined);
    if (requirement.type === 'unsupported') throw refused(reference, rule, requirement.why);
    if (requirement.type === 'insecure') continue;
    const keys = requirement.keys.map((source) => loadKey(source, rule.file));
    found.push({ keys, identity: requirement.identity });
  }
  return found;
}

function loadKey(source: KeySource, file: string): TrustedKey {
  try {
    return source.kind === 'pem'
      ? parsePublicKey(source.pem, source.label)
      : parsePublicKey(readKeyFile(source.path, file), source.path);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'USAGE_INVALID') throw error;
    throw invalidPolicy(file, `names a key that cannot be used: ${error.message}`);
  }
}

function readKeyFile(path: string, file: string): string {
  try {
    const found = statSync(path);
    if (!found.isFile() || found.size > MAX_KEY_BYTES) {
      throw invalidPolicy(file, `names the key ${quote(path)}, which is not a small file`);
    }
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (!hasErrno(error, 'ENOENT') && !hasErrno(error, 'EACCES')) throw error;
    throw invalidPolicy(file, `names the key ${quote(path)}, which cannot be read`);
  }
}

const UNSIGNED = 'Ask whoever publishes it for a signature';
const UNREACHABLE = 'Try again when the registry can be reached';

function refused(
  reference: Reference,
  rule: TrustRule,
  why: string | undefined,
  advice = UNSIGNED,
): EngineError {
  const name = quote(formatReference(reference));
  const ruling = describeRule(rule);
  return why === undefined
    ? new EngineError('TRUST_REFUSED', `the image ${name} is refused: ${ruling} rejects it`, {
        hint: 'Run "dray trust list" to see the rules, or use the image all the same with --insecure-options=image.',
      })
    : new EngineError('TRUST_REFUSED', `the image ${name} is refused: ${ruling} ${why}`, {
        hint: `${advice}, or use the image all the same with --insecure-options=image.`,
      });
}

function describeUnmet(
  { keys, identity }: KeyRequirement,
  { reference, digests }: SignedSubject,
  { verified, problems }: SignatureSearch,
): string {
  const type = identity.type === 'ownRepository' ? '' : ` (${identity.type})`;
  const accepted = `the rule accepts ${describeIdentity(identity, reference)}${type}`;
  const unfit = verified.map(({ identity: signed, key }) =>
    keys.some(({ fingerprint }) => fingerprint === key)
      ? `a signature names ${signed === undefined ? 'no repository' : quote(signed)}, and ${accepted}`
      : `a signature is by the key ${key} alone`,
  );
  const reasons = [...unfit, ...problems];
  const more =
    reasons.length > SHOWN_PROBLEMS ? `; and ${reasons.length - SHOWN_PROBLEMS} more` : '';
  const found =
    reasons.length === 0
      ? `the registry has no signature of ${digests[0]}`
      : `no signature of ${digests[0]} is good: ${reasons.slice(0, SHOWN_PROBLEMS).join('; ')}${more}`;
  return `asks for a signature by ${describeKeys(keys)}, and ${found}`;
}

function describeKeys(keys: readonly TrustedKey[]): string {
  const [first = '', second, ...rest] = keys.map(
    ({ fingerprint, label }) => `${fingerprint} (${quote(label)})`,
  );
  if (second === undefined) return `the key ${first}`;
  return `one of the keys ${first}, ${second}${rest.length === 0 ? '' : ` and ${rest.length} more`}`;
}
