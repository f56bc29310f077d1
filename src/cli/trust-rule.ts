/** Rules of the signature policy as flags give them and as they are shown. */
import { resolve } from 'node:path';
import * as Flags from '@oclif/core/flags';
import { EngineError, quote } from '../core/errors.ts';
import type { ListedRule, NewTrustRule } from '../core/operations/trust-policy.ts';
import { readFlagFile } from './parse/flag-file.ts';
import { workingDirectory } from './settings.ts';

/** The flag that names public keys. */
export function keyFlag() {
  return Flags.string({
    description: 'public key in PEM that is enough to sign; may be given again',
    helpValue: 'FILE',
    multiple: true,
    multipleNonGreedy: true,
  });
}

/** The flag that names the repository of signatures. */
export function signedAsFlag() {
  return Flags.string({
    description: 'repository that signatures must name, where it is another one: that of a mirror',
    helpValue: 'REPOSITORY',
  });
}

/** The types of rules that a user can give. */
export const RULE_TYPES = ['insecure', 'reject', 'cosign'] as const;

/**
 * A rule from flags; the files of its keys are read here.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export function ruleFromFlags(
  type: NewTrustRule['type'],
  keyFiles: readonly string[],
  signedAs: string | undefined,
): NewTrustRule {
  const keys = keyFiles.map((file) => ({ label: file, pem: readKeyFile(file) }));
  return { type, keys, ...(signedAs === undefined ? {} : { signedAs }) };
}

function readKeyFile(file: string): string {
  try {
    return readFlagFile(resolve(workingDirectory(), file)).toString('latin1');
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw new EngineError(
      'USAGE_INVALID',
      `--key ${quote(file)} cannot be read: ${cause.message}`,
      {
        cause,
      },
    );
  }
}

/** Titles of the columns of `ruleRow`. */
export const RULE_TITLES: readonly string[] = ['PREFIX', 'TYPE', 'KEYS', 'FILE'];

/** A rule for people: one row. */
export function ruleRow({ prefix, file, requirements }: ListedRule): string[] {
  const keys = requirements.flatMap((requirement) =>
    requirement.type === 'cosign' ? requirement.keys.map(keyName) : [],
  );
  const types = requirements.map(({ type }) => type);
  return [prefix ?? '(default)', types.join(' and '), keys.join(', '), file];
}

/** A rule for `--json`. */
export function ruleJson({ prefix, file, requirements }: ListedRule) {
  return {
    prefix: prefix ?? null,
    file,
    requirements: requirements.map((requirement) => {
      if (requirement.type === 'unsupported')
        return { type: requirement.type, why: requirement.why };
      if (requirement.type !== 'cosign') return { type: requirement.type };
      const { identity } = requirement;
      return { type: requirement.type, keys: requirement.keys.map(keyName), identity };
    }),
  };
}

type CosignRequirement = Extract<ListedRule['requirements'][number], { type: 'cosign' }>;

function keyName(key: CosignRequirement['keys'][number]): string {
  return key.kind === 'pem' ? key.label : key.path;
}
