/** `--security-opt`. */
import { resolve } from 'node:path';
import { quote } from '../../core/errors.ts';
import type { SeccompRequest } from '../../core/runtime/run-options.ts';
import { readFlagFile } from './flag-file.ts';
import { usageError } from './usage-error.ts';

/** What all the `--security-opt` together say. */
export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  readonly seccomp: SeccompRequest;
}

/** Asking for what is so anyway is fine: there is no AppArmor or SELinux confinement to lift. */
const ALREADY_SO: ReadonlySet<string> = new Set([
  'apparmor=unconfined',
  'label=disable',
  'seccomp=builtin',
]);

/**
 * Parses them in order; the last seccomp wins. A profile's file is read here, relative to `cwd`. An
 * option that cannot be honoured is refused, never passed over.
 */
export function parseSecurityOptions(texts: readonly string[], cwd: string): SecurityOptions {
  let noNewPrivileges = false;
  let seccomp: SeccompRequest = { kind: 'default' };
  for (const text of texts) {
    const option = text.replace(/^([a-z-]+):/, '$1=');
    const value = option.slice(option.indexOf('=') + 1);
    if (/^no-new-privileges(=(true|false))?$/.test(option)) {
      noNewPrivileges = value !== 'false';
    } else if (option.startsWith('seccomp=') && !ALREADY_SO.has(option)) {
      seccomp = parseSeccomp(value, cwd);
    } else if (!ALREADY_SO.has(option)) {
      throw usageError(`--security-opt ${quote(text)} is not supported.`, {
        hint: 'Supported are no-new-privileges, seccomp=FILE and seccomp=unconfined.',
      });
    }
  }
  return { noNewPrivileges, seccomp };
}

function parseSeccomp(value: string, cwd: string): SeccompRequest {
  if (value === 'unconfined') {
    return { kind: 'unconfined' };
  }
  const path = resolve(cwd, value);
  try {
    return { kind: 'profile', text: readFlagFile(path).toString('utf8'), path };
  } catch (error) {
    throw usageError(`The seccomp profile ${quote(path)} cannot be read.`, { cause: error });
  }
}
