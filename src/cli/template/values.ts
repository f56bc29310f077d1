/**
 * What a template sees of its data, after Go's kinds.
 *
 * A plain object is a struct: asking for a field that it lacks is an error, one that is `undefined` is
 * a nil pointer and left out of JSON, and a function in it is a method. A `Map` is a map: a key that
 * it lacks is no value, which prints as `<no value>`.
 */
import { isJsonObject } from '../../core/oci/json-document.ts';

/** No value at all, as of a key that a map does not have. */
export const NO_VALUE = Symbol('no value');

/** A map of texts, in which what is missing is "" to `index`. */
export class TextMap extends Map<string, string> {}

/** The same as a map of texts. */
export function textMap(record: Readonly<Record<string, string>> = {}): TextMap {
  return new TextMap(Object.entries(record));
}

/** The entries of a map in the order of their keys. */
export function sortedEntries(map: ReadonlyMap<unknown, unknown>): [string, unknown][] {
  const entries = Array.from(map, ([key, value]): [string, unknown] => [String(key), value]);
  return entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** What Go calls true: all but nothing, nil, false, zero, and what is empty. A struct always is. */
export function isTrue(value: unknown): boolean {
  if (value === NO_VALUE || value === undefined || value === null) return false;
  if (typeof value === 'string' || Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  return value !== false && value !== 0;
}

/** Go's word for what a value is, for errors. */
export function kindOf(value: unknown): string {
  if (value === NO_VALUE) return 'no value';
  if (value === undefined || value === null) return 'nil';
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'number') return 'a number';
  if (typeof value === 'boolean') return 'a boolean';
  if (Array.isArray(value)) return 'a list';
  return value instanceof Map ? 'a map' : 'a structure';
}

/** A value as Go's `%v` prints it. */
export function formatValue(value: unknown): string {
  if (value === NO_VALUE) return '<no value>';
  if (value === undefined || value === null) return '<nil>';
  if (typeof value === 'number') return formatNumber(value);
  if (Array.isArray(value)) return `[${value.map(formatValue).join(' ')}]`;
  if (value instanceof Map) {
    const pairs = sortedEntries(value).map(([key, each]) => `${key}:${formatValue(each)}`);
    return `map[${pairs.join(' ')}]`;
  }
  if (!isJsonObject(value)) return String(value);
  const fields = Object.values(value).filter((each) => typeof each !== 'function');
  return `{${fields.map(formatValue).join(' ')}}`;
}

const LARGEST_WHOLE = 1e21;

/** Whole numbers are Go's integers; others have an exponent below 1e-4 and from 1e6 on. */
function formatNumber(value: number): string {
  const isWhole = Number.isInteger(value) && Math.abs(value) < LARGEST_WHOLE;
  if (isWhole) return BigInt(value).toString();
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  const hasExponent = exponent < -4 || exponent >= 6;
  const text = hasExponent ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

/** A value as JSON: maps in the order of their keys, methods and `undefined` left out. */
export function jsonText(value: unknown, indent = 0): string {
  const shown = value === NO_VALUE || value === undefined ? null : value;
  const text =
    JSON.stringify(
      shown,
      (_key, each: unknown) => (each instanceof Map ? withoutPrototype(sortedEntries(each)) : each),
      indent,
    ) ?? 'null';
  return text.replace(
    /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function withoutPrototype(entries: readonly (readonly [string, unknown])[]): object {
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, value] of entries) object[key] = value;
  return object;
}
