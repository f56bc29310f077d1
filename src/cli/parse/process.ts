/** Flags that say what runs and how it is reached. */
import { quote } from '../../core/errors.ts';
import type { PullPolicy } from '../../core/oci/pull-policy.ts';
import { parseSignal } from '../../core/oci/signals.ts';
import { usageError } from './usage-error.ts';

/**
 * `--entrypoint`: one program, or a JSON array of a program and its first arguments; an empty text
 * clears the image's.
 */
export function parseEntrypoint(text: string): string[] {
  if (text === '') {
    return [];
  }
  if (text.startsWith('[')) {
    const list = parseJson(text);
    if (Array.isArray(list)) {
      if (list.every((entry) => typeof entry === 'string')) return list;
      throw usageError(`--entrypoint ${quote(text)} holds something that is no text.`, {
        hint: 'Write every argument in double quotes: ["sleep", "1"]',
      });
    }
  }
  return [text];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Then it is the name of a program that begins with a bracket.
    return undefined;
  }
}

const PULL_POLICIES: ReadonlyMap<string, PullPolicy> = new Map([
  ['missing', 'new'],
  ['new', 'new'],
  ['always', 'update'],
  ['newer', 'update'],
  ['update', 'update'],
  ['never', 'never'],
]);

/** `--pull`, in docker's words or ours. */
export function parsePullPolicy(text: string): PullPolicy {
  const policy = PULL_POLICIES.get(text);
  if (policy === undefined) {
    throw usageError(`--pull ${quote(text)} is not a policy.`, {
      hint: 'Policies are missing, always, newer and never.',
    });
  }
  return policy;
}

/** `--stop-signal`, by name or number. */
export function parseStopSignal(text: string, flag = '--stop-signal'): number {
  const signal = parseSignal(text);
  if (signal === undefined) {
    throw usageError(`${flag} ${quote(text)} is not a signal.`);
  }
  return signal;
}

/** `--hostname`: it is also written into files, so only what a name can hold. */
export function parseHostname(text: string): string {
  if (!/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$/.test(text)) {
    throw usageError(`--hostname ${quote(text)} is not a host name of at most 64 characters.`);
  }
  return text;
}
