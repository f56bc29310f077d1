/** The signature policies of this machine: reading both files, and changing dray's own. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  type Stats,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { writeFileAtomic } from '../host/atomic-file.ts';
import { FileLock } from '../host/file-lock.ts';
import { withSystemErrors } from '../host/libc.ts';
import { parseReference } from '../oci/reference.ts';
import { parseContainersPolicy } from '../trust/containers-policy.ts';
import {
  encodeOwnPolicy,
  NO_OWN_POLICY,
  type OwnKey,
  type OwnPolicy,
  type OwnRule,
  parseOwnPolicy,
  policyOf,
} from '../trust/own-policy.ts';
import { invalidPolicy, MAX_POLICY_BYTES } from '../trust/policy-json.ts';
import { parsePrefix } from '../trust/policy-scope.ts';
import { encodePublicKey, parsePublicKey } from '../trust/public-key.ts';
import type { Requirements, TrustPolicy } from '../trust/trust-policy.ts';
import type { EngineSettings } from './engine.ts';

/** The settings that name the policy files. */
export type TrustSettings = Pick<EngineSettings, 'trustPolicyFile' | 'containersPolicyFile'>;

/** A rule as the user gives it. */
export interface NewTrustRule {
  readonly type: 'insecure' | 'reject' | 'cosign';
  /** Public keys in PEM, each with the name of its file; for `cosign` only. */
  readonly keys: readonly OwnKey[];
  /** The repository that signatures must name; for `cosign` only. */
  readonly signedAs?: string;
}

/** A rule that holds, for showing. */
export interface ListedRule {
  /** Canonical; undefined for the default of the file. */
  readonly prefix: string | undefined;
  readonly file: string;
  readonly requirements: Requirements;
}

/**
 * The policies that hold, the first that has a rule deciding: dray's own, then that of
 * containers-policy.json(5). None when neither file is there.
 *
 * @throws EngineError `CONFIG_INVALID`
 */
export function loadTrustPolicies(settings: TrustSettings): TrustPolicy[] {
  const { trustPolicyFile: own, containersPolicyFile: shared } = settings;
  const policies: TrustPolicy[] = [];
  const ownText = own === undefined ? undefined : readPolicy(own, requireAdministrator);
  if (own !== undefined && ownText !== undefined) {
    policies.push(policyOf(parseOwnPolicy(ownText, own), own));
  }
  const sharedText = shared === undefined ? undefined : readPolicy(shared, () => {});
  if (shared !== undefined && sharedText !== undefined) {
    policies.push(parseContainersPolicy(sharedText, shared));
  }
  return policies;
}

/**
 * Every rule that can decide: dray's own first, each file's default last. Where dray's own has a
 * default, the other file decides nothing.
 *
 * @throws EngineError `CONFIG_INVALID`
 */
export function listTrustRules(settings: TrustSettings): ListedRule[] {
  const policies = loadTrustPolicies(settings);
  const last = policies.findIndex(({ fallback }) => fallback !== undefined);
  return policies
    .slice(0, last + 1 || policies.length)
    .flatMap(({ file, scopes, fallback }) => [
      ...[...scopes].map(([prefix, requirements]) => ({ prefix, file, requirements })),
      ...(fallback === undefined ? [] : [{ prefix: undefined, file, requirements: fallback }]),
    ]);
}

/**
 * Gives `prefix` a rule in place of the one that it has.
 * Idempotent.
 *
 * @returns the prefix in its canonical spelling.
 * @throws EngineError `USAGE_INVALID` for a wrong prefix or key; `CONFIG_INVALID`
 */
export async function setTrustRule(
  settings: TrustSettings,
  prefix: string,
  rule: NewTrustRule,
): Promise<string> {
  const scope = parsePrefix(prefix);
  const checked = checkRule(rule);
  await changePolicy(settings, (policy) => ({
    ...policy,
    prefixes: new Map([...policy.prefixes, [scope, checked]]),
  }));
  return scope;
}

/**
 * Makes `rule` the default for every image that no prefix is for; undefined takes the default away,
 * so that containers-policy.json(5) decides, and where it is missing every image is accepted.
 *
 * @throws EngineError `USAGE_INVALID`, `CONFIG_INVALID`
 */
export async function setTrustDefault(
  settings: TrustSettings,
  rule: NewTrustRule | undefined,
): Promise<void> {
  const checked = rule === undefined ? undefined : checkRule(rule);
  await changePolicy(settings, (policy) => ({ ...policy, fallback: checked }));
}

/**
 * Takes the rule of `prefix` away.
 *
 * @returns the prefix in its canonical spelling.
 * @throws EngineError `USAGE_INVALID` when dray's own policy has no such rule; `CONFIG_INVALID`
 */
export async function removeTrustRule(settings: TrustSettings, prefix: string): Promise<string> {
  const scope = parsePrefix(prefix);
  await changePolicy(settings, (policy, file) => {
    if (!policy.prefixes.has(scope)) {
      throw new EngineError('USAGE_INVALID', `${quote(file)} has no rule for ${quote(scope)}`, {
        hint: 'Run "dray trust list" to see the rules.',
      });
    }
    return { ...policy, prefixes: new Map([...policy.prefixes].filter(([at]) => at !== scope)) };
  });
  return scope;
}

function checkRule({ type, keys, signedAs }: NewTrustRule): OwnRule {
  if (type !== 'cosign') {
    if (keys.length === 0 && signedAs === undefined) return { type };
    throw new EngineError('USAGE_INVALID', `a rule of the type "${type}" takes no keys`);
  }
  if (keys.length === 0) {
    throw new EngineError('USAGE_INVALID', 'a rule of the type "cosign" needs a key', {
      hint: 'Name the file of a public key with --key FILE.',
    });
  }
  const copied = new Map(
    keys.map(({ label, pem }) => {
      const key = parsePublicKey(pem, label);
      return [key.fingerprint, { label: basename(label), pem: encodePublicKey(key.key) }];
    }),
  );
  const signed = signedAs === undefined ? {} : { signedAs: repositoryOf(signedAs) };
  return { type, keys: [...copied.values()], ...signed };
}

function repositoryOf(name: string): string {
  const { registry, repository } = parseReference(name);
  return `${registry}/${repository}`;
}

/** One change at a time, whole or not at all. Everybody may read the file: it holds no secret. */
async function changePolicy(
  { trustPolicyFile: file }: TrustSettings,
  change: (policy: OwnPolicy, file: string) => OwnPolicy,
): Promise<void> {
  if (file === undefined) throw new Error('the settings name no policy file');
  withSystemErrors(`while making the directory of ${quote(file)}`, () =>
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 }),
  );
  using _lock = await FileLock.acquire(`${file}.lock`, 'exclusive');
  const text = readPolicy(file, requireAdministrator);
  const policy = text === undefined ? NO_OWN_POLICY : parseOwnPolicy(text, file);
  writeFileAtomic(file, encodeOwnPolicy(change(policy, file)), { mode: 0o644 });
}

function readPolicy(path: string, check: (found: Stats, path: string) => void): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
      // Taken for no policy at all, it would let every image in.
      throw invalidPolicy(path, 'is a link to nothing');
    }
    const why = error instanceof Error ? error.message : String(error);
    throw invalidPolicy(path, `cannot be read: ${why}`);
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw invalidPolicy(path, 'is not a file');
    if (found.size > MAX_POLICY_BYTES) {
      throw invalidPolicy(path, `has more than ${MAX_POLICY_BYTES} bytes`);
    }
    check(found, path);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** Whoever can write the policy decides what root runs. */
function requireAdministrator({ uid, mode }: Stats, path: string): void {
  if (uid !== 0) throw invalidPolicy(path, `belongs to user ${uid}, not to root`);
  if ((mode & 0o022) !== 0) {
    throw invalidPolicy(
      path,
      `can be written by others than root (mode 0${(mode & 0o777).toString(8)})`,
    );
  }
}
