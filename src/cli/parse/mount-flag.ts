/** `--mount KEY=VALUE,…`: one CSV record, with docker's keys and their aliases. */
import { resolve } from 'node:path';
import { quote } from '../../core/errors.ts';
import type { MountRequest } from '../../core/runtime/run-options.ts';
import { requireAbsolute, requirePropagation, requireVolumeName } from './mounts.ts';
import { parseSize } from './quantities.ts';
import { usageError } from './usage-error.ts';

const ALIASES: ReadonlyMap<string, string> = new Map([
  ['src', 'source'],
  ['dst', 'destination'],
  ['target', 'destination'],
  ['ro', 'readonly'],
]);

const KEYS_BY_TYPE: ReadonlyMap<string, readonly string[]> = new Map([
  ['bind', ['source', 'bind-propagation', 'bind-nonrecursive', 'consistency']],
  ['volume', ['source', 'volume-nocopy']],
  ['tmpfs', ['tmpfs-size', 'tmpfs-mode']],
]);
const COMMON_KEYS = ['type', 'destination', 'readonly'];

type Fields = ReadonlyMap<string, string>;

/** One `--mount`; the type is `volume` unless it says otherwise, and a bind's source must exist. */
export function parseMountFlag(text: string, cwd: string): MountRequest {
  const fields = parseFields(text);
  const type = fields.get('type') ?? 'volume';
  const keys = KEYS_BY_TYPE.get(type);
  if (keys === undefined) {
    throw usageError(`--mount ${quote(text)} has the type ${quote(type)}.`, {
      hint: 'Types are bind, volume and tmpfs.',
    });
  }
  for (const key of fields.keys()) {
    if (!COMMON_KEYS.includes(key) && !keys.includes(key)) {
      throw usageError(`--mount ${quote(text)}: a ${type} has no ${quote(key)}.`);
    }
  }
  const destination = requireAbsolute(fields.get('destination') ?? '', text);
  const readOnly = isSet(fields, 'readonly', text);
  switch (type) {
    case 'bind':
      return bindRequest({ fields, destination, readOnly, text, cwd });
    case 'tmpfs':
      return { type, destination, options: tmpfsOptions(fields, readOnly) };
    default:
      return volumeRequest({ fields, destination, readOnly, text, cwd });
  }
}

interface Parts {
  readonly fields: Fields;
  readonly destination: string;
  readonly readOnly: boolean;
  readonly text: string;
  readonly cwd: string;
}

function bindRequest({ fields, destination, readOnly, text, cwd }: Parts): MountRequest {
  const source = fields.get('source') ?? '';
  if (source === '') {
    throw usageError(`--mount ${quote(text)} has no source.`);
  }
  return {
    type: 'bind',
    source: resolve(cwd, source),
    destination,
    readOnly,
    createSource: false,
    recursive: !isSet(fields, 'bind-nonrecursive', text),
    propagation: requirePropagation(
      fields.get('bind-propagation') ?? 'rprivate',
      `--mount ${quote(text)}`,
    ),
  };
}

function volumeRequest({ fields, destination, readOnly, text }: Parts): MountRequest {
  const name = fields.get('source');
  const copyUp = !isSet(fields, 'volume-nocopy', text);
  const named = name === undefined ? {} : { name: requireVolumeName(name, text) };
  return { type: 'volume', ...named, destination, readOnly, copyUp };
}

function tmpfsOptions(fields: Fields, readOnly: boolean): string[] {
  const size = fields.get('tmpfs-size');
  const mode = fields.get('tmpfs-mode');
  if (mode !== undefined && !/^[0-7]{1,4}$/.test(mode)) {
    throw usageError(`tmpfs-mode ${quote(mode)} is not a mode such as 1777.`);
  }
  return [
    ...(size === undefined ? [] : [`size=${parseSize(size, 'tmpfs-size')}`]),
    ...(mode === undefined ? [] : [`mode=${mode}`]),
    ...(readOnly ? ['ro'] : []),
  ];
}

function isSet(fields: Fields, key: string, text: string): boolean {
  const value = fields.get(key);
  if (value === undefined || value === 'false' || value === '0') {
    return false;
  }
  if (value === '' || value === 'true' || value === '1') {
    return true;
  }
  throw usageError(`--mount ${quote(text)}: ${key} is ${quote(value)}, not true or false.`);
}

function parseFields(text: string): Fields {
  const fields = new Map<string, string>();
  for (const field of splitCsv(text)) {
    const separator = field.indexOf('=');
    const written = (separator < 0 ? field : field.slice(0, separator)).toLowerCase();
    const key = ALIASES.get(written) ?? written;
    if (fields.has(key)) {
      throw usageError(`--mount ${quote(text)} gives ${quote(key)} twice.`);
    }
    fields.set(key, separator < 0 ? '' : field.slice(separator + 1));
  }
  return fields;
}

/** The fields of one CSV record (RFC 4180): a field in double quotes may hold commas. */
function splitCsv(text: string): string[] {
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/gy;
  const fields: string[] = [];
  for (let separator = ','; separator === ','; ) {
    const match = field.exec(text);
    if (match === null) {
      throw usageError(`--mount ${quote(text)} has a quote in the wrong place.`);
    }
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    separator = match[3] ?? '';
  }
  return fields;
}
