/** Reading policy files: every field is known, or the whole file is refused. Pure. */
import { EngineError, quote } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../oci/json-document.ts';
import { findDuplicateKey } from './json-keys.ts';

/** The largest policy file that is read. */
export const MAX_POLICY_BYTES = 4 * 1024 * 1024;

/**
 * The object that a policy file holds.
 *
 * @param file names it in errors.
 * @throws EngineError `CONFIG_INVALID`
 */
export function parsePolicyObject(text: string, file: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalidPolicy(file, `is not JSON: ${cause.message}`);
  }
  const twice = findDuplicateKey(text);
  if (twice !== undefined) throw invalidPolicy(file, `has the field ${quote(twice)} twice`);
  return objectAt(value, 'it', file);
}

/** @throws EngineError `CONFIG_INVALID` when `value` is not an object */
export function objectAt(value: unknown, field: string, file: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw invalidPolicy(file, `has something else than an object where ${field} should be`);
}

/** @throws EngineError `CONFIG_INVALID` when `object` has a field that is not in `known` */
export function requireKnownFields(
  object: JsonObject,
  known: readonly string[],
  { field, file }: { readonly field: string; readonly file: string },
): void {
  const unknown = Object.keys(object).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw invalidPolicy(
    file,
    `has the field ${quote(unknown)} in ${field}, which dray does not know`,
  );
}

/** @throws EngineError `CONFIG_INVALID` when `value` is not a string that holds something */
export function textAt(value: unknown, field: string, file: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalidPolicy(file, `needs a string in ${field}`);
}

/** @throws EngineError `CONFIG_INVALID` when `value` is not a list of at least one string */
export function textsAt(value: unknown, field: string, file: string): string[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidPolicy(file, `needs a list that is not empty in ${field}`);
  }
  return value.map((item) => textAt(item, field, file));
}

/** The error for a policy that cannot be used: nothing is fetched or run until it is put right. */
export function invalidPolicy(file: string, why: string): EngineError {
  return new EngineError('CONFIG_INVALID', `the signature policy ${quote(file)} ${why}`, {
    hint: 'Correct the file; until then images of registries are neither fetched nor run.',
  });
}
