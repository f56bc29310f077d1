/** `--mount KEY=VALUE,…`: one CSV record, with docker's keys and their aliases. */
import { resolve } from 'node:path';
import { quote } from '../../core/errors.ts';
import type { BindRequest, MountRequest, VolumeRequest } from '../../core/runtime/run-options.ts';
import { parseMetadata } from './key-values.ts';
import { requireAbsolute, requireVolumeName } from './mounts.ts';
import { parseSize } from './quantities.ts';
import { usageError } from './usage-error.ts';
import { requirePropagation } from './volume-mode.ts';

const ALIASES: ReadonlyMap<string, string> = new Map([
  ['src', 'source'],
  ['dst', 'destination'],
  ['target', 'destination'],
  ['ro', 'readonly'],
]);

const KEYS_BY_TYPE: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'bind',
    ['source', 'bind-propagation', 'bind-nonrecursive', 'bind-recursive', 'bind-create-src'],
  ],
  [
    'volume',
    ['source', 'volume-nocopy', 'volume-label', 'volume-driver', 'volume-opt', 'volume-subpath'],
  ],
  ['tmpfs', ['tmpfs-size', 'tmpfs-mode']],
]);
/** `consistency` is a hint for other systems, without meaning here. */
const COMMON_KEYS = ['type', 'destination', 'readonly', 'consistency'];
/** Keys that may come several times. */
const LIST_KEYS = ['volume-label', 'volume-opt'];

type Fields = ReadonlyMap<string, readonly string[]>;

/** One `--mount`; the type is `volume` unless it says otherwise, and a bind's source must exist. */
export function parseMountFlag(text: string, cwd: string): MountRequest {
  const fields = parseFields(text);
  const type = textOf(fields, 'type')?.toLowerCase() ?? 'volume';
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
  const destination = requireAbsolute(textOf(fields, 'destination') ?? '', text);
  const parts = { fields, destination, readOnly: isSet(fields, 'readonly', text), text, cwd };
  switch (type) {
    case 'bind':
      return bindRequest(parts);
    case 'tmpfs':
      return { type, destination, options: tmpfsOptions(parts) };
    default:
      return volumeRequest(parts);
  }
}

interface Parts {
  readonly fields: Fields;
  readonly destination: string;
  readonly readOnly: boolean;
  readonly text: string;
  readonly cwd: string;
}

function bindRequest({ fields, destination, readOnly, text, cwd }: Parts): BindRequest {
  const flag = `--mount ${quote(text)}`;
  const source = textOf(fields, 'source') ?? '';
  if (source === '') {
    throw usageError(`${flag} has no source.`);
  }
  const propagation = requirePropagation(textOf(fields, 'bind-propagation') ?? 'rprivate', flag);
  const recursion = requireRecursion({ fields, readOnly, propagation, text });
  return {
    type: 'bind',
    source: resolve(cwd, source),
    destination,
    readOnly,
    createSource: isSet(fields, 'bind-create-src', text),
    recursive: recursion !== 'disabled' && !isSet(fields, 'bind-nonrecursive', text),
    propagation,
    ...(recursion === 'writable' ? { readOnlyBelow: 'never' as const } : {}),
    ...(recursion === 'readonly' ? { readOnlyBelow: 'always' as const } : {}),
  };
}

/** `bind-recursive`, with docker's conditions. */
function requireRecursion({
  fields,
  readOnly,
  propagation,
  text,
}: Pick<Parts, 'fields' | 'readOnly' | 'text'> & { readonly propagation: string }): string {
  const flag = `--mount ${quote(text)}`;
  const value = textOf(fields, 'bind-recursive') ?? 'enabled';
  if (!['enabled', 'disabled', 'writable', 'readonly'].includes(value)) {
    throw usageError(`${flag}: bind-recursive is ${quote(value)}.`, {
      hint: 'It is enabled, disabled, writable or readonly.',
    });
  }
  if (value !== 'enabled' && fields.has('bind-nonrecursive')) {
    throw usageError(`${flag}: bind-nonrecursive and bind-recursive exclude each other.`);
  }
  if ((value === 'writable' || value === 'readonly') && !readOnly) {
    throw usageError(`${flag}: bind-recursive=${value} needs readonly.`);
  }
  if (value === 'readonly' && propagation !== 'rprivate') {
    throw usageError(`${flag}: bind-recursive=readonly needs bind-propagation=rprivate.`);
  }
  return value;
}

function volumeRequest({ fields, destination, readOnly, text }: Parts): VolumeRequest {
  const flag = `--mount ${quote(text)}`;
  const source = textOf(fields, 'source') || undefined;
  const driver = textOf(fields, 'volume-driver') ?? 'local';
  if (driver !== 'local') {
    throw usageError(`${flag}: there is no volume driver ${quote(driver)}.`, {
      hint: 'The only driver is local.',
    });
  }
  if (fields.has('volume-opt')) {
    throw usageError(`${flag}: the driver local takes no options.`, {
      hint: 'Mount it on the host, and give the container a bind of that.',
    });
  }
  const labels = fields.get('volume-label');
  return {
    type: 'volume',
    ...(source === undefined ? {} : { name: requireVolumeName(source, text) }),
    destination,
    readOnly,
    copyUp: !isSet(fields, 'volume-nocopy', text),
    ...(labels === undefined
      ? {}
      : { labels: Object.fromEntries(parseMetadata(labels, 'volume-label')) }),
    ...subpathOf({ fields, text, source }),
  };
}

function subpathOf({
  fields,
  text,
  source,
}: Pick<Parts, 'fields' | 'text'> & { readonly source: string | undefined }) {
  const subpath = textOf(fields, 'volume-subpath');
  if (subpath === undefined) {
    return {};
  }
  const flag = `--mount ${quote(text)}`;
  if (source === undefined) {
    throw usageError(`${flag}: a volume without a source has no volume-subpath.`);
  }
  const isInside = subpath !== '' && !subpath.startsWith('/') && !subpath.split('/').includes('..');
  if (!isInside || subpath.includes('\0')) {
    throw usageError(`${flag}: volume-subpath ${quote(subpath)} is not a path inside the volume.`);
  }
  return { subpath };
}

function tmpfsOptions({ fields, readOnly }: Parts): string[] {
  const size = textOf(fields, 'tmpfs-size');
  const mode = textOf(fields, 'tmpfs-mode');
  if (mode !== undefined && !/^[0-7]{1,4}$/.test(mode)) {
    throw usageError(`tmpfs-mode ${quote(mode)} is not a mode such as 1777.`);
  }
  return [
    ...(size === undefined ? [] : [`size=${parseSize(size, 'tmpfs-size')}`]),
    ...(mode === undefined ? [] : [`mode=${mode}`]),
    ...(readOnly ? ['ro'] : []),
  ];
}

function textOf(fields: Fields, key: string): string | undefined {
  return fields.get(key)?.[0];
}

function isSet(fields: Fields, key: string, text: string): boolean {
  const value = textOf(fields, key);
  if (value === undefined || value === 'false' || value === '0') {
    return false;
  }
  if (value === '' || value === 'true' || value === '1') {
    return true;
  }
  throw usageError(`--mount ${quote(text)}: ${key} is ${quote(value)}, not true or false.`);
}

function parseFields(text: string): Fields {
  const fields = new Map<string, string[]>();
  for (const field of splitCsv(text)) {
    const separator = field.indexOf('=');
    const written = (separator < 0 ? field : field.slice(0, separator)).toLowerCase();
    const key = ALIASES.get(written) ?? written;
    const values = fields.get(key) ?? [];
    if (values.length > 0 && !LIST_KEYS.includes(key)) {
      throw usageError(`--mount ${quote(text)} gives ${quote(key)} twice.`);
    }
    fields.set(key, [...values, separator < 0 ? '' : field.slice(separator + 1)]);
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
