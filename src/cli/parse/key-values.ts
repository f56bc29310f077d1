/** `KEY=value` flags: environment, files of environment, labels, annotations. */
import { quote } from '../../core/errors.ts';
import type { EnvironmentSetting } from '../../core/runtime/run-options.ts';
import { readFlagFile } from './flag-file.ts';
import { usageError } from './usage-error.ts';

/** Our own environment, from which a lone `KEY` is taken. */
export type HostEnvironment = Readonly<Record<string, string | undefined>>;

/** One `-e`: `KEY=value`, or `KEY` to pass our own on, or take it away when we have none. */
export function parseEnvironmentFlag(text: string, host: HostEnvironment): EnvironmentSetting {
  const { key, value } = splitPair(text, '-e');
  return { name: key, value: value ?? hostValue(key, host) };
}

/** Reads `--env-file`: see `parseEnvironmentFile`. */
export function readEnvironmentFile(path: string, host: HostEnvironment): EnvironmentSetting[] {
  return parseEnvironmentFile(readBytes(path), { path, host });
}

/**
 * The settings in a file of `KEY=value` lines. Empty lines and lines that begin with `#` are
 * skipped; values are taken as they are, quotes included; a lone `KEY` is taken from our own
 * environment, and skipped when it is not there.
 */
export function parseEnvironmentFile(
  bytes: Buffer,
  { path, host }: { readonly path: string; readonly host: HostEnvironment },
): EnvironmentSetting[] {
  return decode(bytes, path)
    .split(/\r?\n/)
    .map((line, index) => ({ text: line.trimStart(), where: `${quote(path)} line ${index + 1}` }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'))
    .flatMap(({ text, where }) => {
      const { key, value } = splitPair(text, `--env-file ${where}:`);
      if (/\s/.test(key)) {
        throw usageError(`--env-file ${where}: the name ${quote(key)} contains white space.`);
      }
      const found = value ?? hostValue(key, host);
      return found === undefined ? [] : [{ name: key, value: found }];
    });
}

/** Labels or annotations; the last of a key wins, a lone `KEY` has an empty value. */
export function parseMetadata(texts: readonly string[], flag: string): Map<string, string> {
  return new Map(
    texts.map((text) => {
      const { key, value } = splitPair(text, flag);
      return [key, value ?? ''] as const;
    }),
  );
}

function hostValue(key: string, host: HostEnvironment): string | undefined {
  return Object.hasOwn(host, key) ? host[key] : undefined;
}

function splitPair(text: string, flag: string): { key: string; value: string | undefined } {
  if (text.includes('\0')) {
    throw usageError(`${flag} ${quote(text)} holds a NUL character.`);
  }
  const separator = text.indexOf('=');
  const key = separator < 0 ? text : text.slice(0, separator);
  if (key === '') {
    throw usageError(`${flag} ${quote(text)} has no name before the "=".`);
  }
  return { key, value: separator < 0 ? undefined : text.slice(separator + 1) };
}

function decode(bytes: Buffer, path: string): string {
  try {
    // The decoder also drops a byte order mark.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw usageError(`--env-file ${quote(path)} is not UTF-8 text.`, { cause: error });
  }
}

function readBytes(path: string): Buffer {
  try {
    return readFlagFile(path);
  } catch (error) {
    throw usageError(`--env-file ${quote(path)} cannot be read.`, { cause: error });
  }
}
