/**
 * JSON documents from outside: manifests, indexes, configs and the index of an image layout.
 *
 * Every reader names the field it refuses. Maps with outside keys have no prototype, so that a key
 * such as `__proto__` is data. Numbers are read from their source text where JavaScript would round
 * them or accept another spelling (`1e3`, `-0`, 2^53+1).
 */
import { EngineError, quote } from '../errors.ts';

/** A JSON object whose fields are not checked yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Largest manifest, index or image config that is read: 4 MiB, as other clients and registries. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;

const PLAIN_INTEGER = /^(0|[1-9][0-9]*)$/;

/**
 * Parses the bytes of a JSON object. Of keys given twice the last counts.
 *
 * @param where names the document for errors.
 * @throws EngineError `IMAGE_INVALID` when it is over 4 MiB or not a JSON object.
 */
export function parseJsonObject(bytes: Buffer, where: string): JsonObject {
  if (bytes.length > MAX_DOCUMENT_BYTES) {
    throw invalid(where, `has ${bytes.length} bytes; expected at most ${MAX_DOCUMENT_BYTES}`);
  }
  const value = parseJson(bytes.toString('utf8'), where);
  if (!isJsonObject(value)) throw invalid(where, `is ${kindOf(value)}; expected a JSON object`);
  return value;
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text, keepOddSizes as (key: string, value: unknown) => unknown);
  } catch (cause) {
    // RangeError: nesting so deep that the reviver runs out of stack.
    if (!(cause instanceof SyntaxError || cause instanceof RangeError)) throw cause;
    throw invalid(
      where,
      `is not a JSON document: it starts with ${quote(text.slice(0, 40))}`,
      cause,
    );
  }
}

/** A size that is not a plain integer stays text, so that its reader refuses and shows it. */
function keepOddSizes(key: string, value: unknown, context: { source?: string }): unknown {
  if (key !== 'size' || typeof value !== 'number' || context.source === undefined) return value;
  return PLAIN_INTEGER.test(context.source) ? value : context.source;
}

/** Whether `value` is a JSON object (not an array, not null). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object in a field. @throws EngineError `IMAGE_INVALID` */
export function requireObject(value: unknown, field: string, where: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw wrongField(where, field, value, 'an object');
}

/** The array in a field; null, as Go writes an empty one, is empty. @throws EngineError `IMAGE_INVALID` */
export function requireArray(value: unknown, field: string, where: string): readonly unknown[] {
  if (value === null) return [];
  if (Array.isArray(value)) return value;
  throw wrongField(where, field, value, 'an array');
}

/** The string in a field. @throws EngineError `IMAGE_INVALID` */
export function requireString(value: unknown, field: string, where: string): string {
  if (typeof value === 'string') return value;
  throw wrongField(where, field, value, 'a string');
}

/** The size in a field, in bytes: an integer from 0 to 2^53-1. @throws EngineError `IMAGE_INVALID` */
export function requireSize(value: unknown, field: string, where: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrongField(where, field, value, 'an integer from 0 to 2^53-1');
}

/** The strings in a field that maps strings to strings, without a prototype. @throws EngineError `IMAGE_INVALID` */
export function requireStringMap(
  value: unknown,
  field: string,
  where: string,
): Readonly<Record<string, string>> {
  const map: Record<string, string> = Object.create(null);
  for (const [key, text] of Object.entries(requireObject(value, field, where))) {
    map[key] = requireString(text, `${field}[${quote(key)}]`, where);
  }
  return map;
}

/** The error for a field that holds something else than `expected`. */
export function wrongField(
  where: string,
  field: string,
  found: unknown,
  expected: string,
): EngineError {
  return invalid(where, `has ${describe(found)} in field ${field}; expected ${expected}`);
}

/** The error for a document as a whole. */
export function invalid(where: string, why: string, cause?: unknown): EngineError {
  return new EngineError('IMAGE_INVALID', `${where} ${why}`, cause === undefined ? {} : { cause });
}

function describe(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
