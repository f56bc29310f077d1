/** Run options as JSON, for the record of a container that may be started again. */
import { EngineError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../oci/json-document.ts';
import type { RunOptions } from './run-options.ts';

/** `options` as plain JSON: maps and big integers, which JSON lacks, are marked. */
export function encodeRunOptions(options: RunOptions): JsonObject {
  return encode(options) as JsonObject;
}

/**
 * The inverse of `encodeRunOptions`. The text is our own, from a directory that only root reads; what
 * it lacks is checked by whoever uses it.
 *
 * @throws EngineError `STORE_CORRUPT`
 */
export function decodeRunOptions(json: JsonObject | undefined): RunOptions {
  const options = json === undefined ? undefined : decode(json);
  if (!isJsonObject(options) || !(options.labels instanceof Map)) {
    throw new EngineError('STORE_CORRUPT', 'the record of the container has no usable options', {
      hint: 'Remove the container and run it again.',
    });
  }
  return options as unknown as RunOptions;
}

function encode(value: unknown): unknown {
  if (value instanceof Map) return { $map: [...value].map(encode) };
  if (typeof value === 'bigint') return { $integer: String(value) };
  if (Array.isArray(value)) return value.map(encode);
  if (!isJsonObject(value)) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([key, field]) => [key, encode(field)]));
}

function decode(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decode);
  if (!isJsonObject(value)) return value;
  if (Array.isArray(value.$map)) return new Map(value.$map.map(decode) as [unknown, unknown][]);
  if (typeof value.$integer === 'string' && /^-?\d{1,40}$/.test(value.$integer)) {
    return BigInt(value.$integer);
  }
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, decode(field)]));
}
