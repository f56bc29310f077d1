/** One file of the registry configuration: TOML to checked values. Keys that dray does not know are skipped. */
import type { TomlTable, TomlValue } from 'smol-toml';
import { EngineError, quote } from '../errors.ts';
import { isShortName, parseReference } from '../oci/reference.ts';

/** When mirrors are asked: for every reference, or only for those with or without a digest. */
export type PullFromMirror = 'all' | 'digest-only' | 'tag-only';

/** Where the images of a prefix are physically. */
export interface Location {
  /** `host[:port][/path]`; undefined leaves the reference as it is. */
  readonly location: string | undefined;
  readonly isInsecure: boolean;
}

/** A `[[registry.mirror]]`. */
export interface Mirror extends Location {
  readonly location: string;
  readonly pullFromMirror: PullFromMirror;
}

/** A `[[registry]]`. */
export interface RegistryRule extends Location {
  /** `host[:port][/path][:tag|@digest]` or `*.host`. */
  readonly prefix: string;
  readonly isBlocked: boolean;
  readonly mirrors: readonly Mirror[];
  /** The file that says so, for messages. */
  readonly file: string;
}

/** `permissive` and `disabled` do the same here, since dray never asks. */
export type ShortNameMode = 'enforcing' | 'permissive' | 'disabled';

/** What one file says; undefined where it says nothing. */
export interface RegistriesFile {
  /** In the order of the file, one for each prefix. */
  readonly rules: readonly RegistryRule[];
  readonly searchRegistries?: readonly string[] | undefined;
  readonly shortNameMode?: ShortNameMode | undefined;
  /** An empty target takes an earlier alias away. */
  readonly aliases: ReadonlyMap<string, string>;
}

/** A table of the file, and how messages name it. */
interface Place {
  readonly table: TomlTable;
  readonly file: string;
  /** Such as `[[registry]] 2`; empty for the top. */
  readonly within: string;
}

const PULL_FROM_MIRROR: readonly string[] = ['all', 'digest-only', 'tag-only'];
const MODES: readonly string[] = ['enforcing', 'permissive', 'disabled'];

/**
 * Parses version 2 of the format and, where the file is no drop-in, version 1 (`[registries.search]`).
 *
 * @param path for messages.
 * @throws EngineError `CONFIG_INVALID`
 */
export async function parseRegistriesFile(
  text: string,
  path: string,
  { isDropIn }: { readonly isDropIn: boolean },
): Promise<RegistriesFile> {
  const top: Place = { table: await parseToml(text, path), file: path, within: '' };
  const oldTable = top.table.registries;
  if (isTable(oldTable)) {
    return parseVersion1({ ...top, table: oldTable, within: '[registries]' }, top, isDropIn);
  }
  const registries = tables(top, 'registry').map(parseRegistry);
  return {
    rules: withoutDoubles(registries),
    searchRegistries: optionalList(top, 'unqualified-search-registries')?.map((registry) =>
      hostAndPath(registry, top, 'unqualified-search-registries'),
    ),
    shortNameMode: parseMode(top),
    aliases: parseAliases(top),
  };
}

async function parseToml(text: string, path: string): Promise<TomlTable> {
  const { parse, TomlError } = await import('smol-toml');
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split('\n')[0] ?? '';
    throw new EngineError(
      'CONFIG_INVALID',
      `${quote(path)} is not valid TOML at line ${error.line}, column ${error.column}: ${reason}`,
      { cause: error },
    );
  }
}

/** Three lists of hosts, which say less than version 2 and mean the same as there. */
function parseVersion1(old: Place, top: Place, isDropIn: boolean): RegistriesFile {
  const mixed = ['registry', 'unqualified-search-registries', 'aliases'].filter(
    (key) => top.table[key] !== undefined,
  );
  if (isDropIn || mixed.length > 0) {
    throw invalid(
      old,
      'is of version 1 of the format, which serves in a main file only, and alone',
    );
  }
  const listOf = (key: string): string[] => {
    const within = `[registries.${key}]`;
    const section = optionalTable(old, key);
    if (section === undefined) return [];
    const place = { ...old, table: section, within };
    return (optionalList(place, 'registries') ?? []).map((host) =>
      hostAndPath(host, place, 'registries'),
    );
  };
  const insecure = new Set(listOf('insecure'));
  const blocked = new Set(listOf('block'));
  const search = listOf('search');
  return {
    rules: [...new Set([...insecure, ...blocked])].map((prefix) => ({
      prefix,
      location: prefix,
      isInsecure: insecure.has(prefix),
      isBlocked: blocked.has(prefix),
      mirrors: [],
      file: old.file,
    })),
    ...(search.length === 0 ? {} : { searchRegistries: search }),
    aliases: new Map(),
  };
}

function parseRegistry(place: Place): RegistryRule {
  const location = optionalLocation(place, 'location');
  const stated = optionalText(place, 'prefix');
  const isWildcard = stated?.startsWith('*.') === true;
  const prefix = isWildcard ? wildcard(stated, place) : statedPrefix(stated, place);
  if (prefix === undefined && location === undefined) {
    throw invalid(place, 'has neither a prefix nor a location');
  }
  if (!isWildcard && location === undefined) {
    throw invalid(place, 'has no location, which only a prefix such as "*.example.com" may lack');
  }
  if (place.table['pull-from-mirror'] !== undefined) {
    throw invalid(place, 'has "pull-from-mirror", which belongs to a [[registry.mirror]]');
  }
  const isDigestOnly = optionalFlag(place, 'mirror-by-digest-only');
  return {
    prefix: prefix ?? location ?? '',
    location,
    isInsecure: optionalFlag(place, 'insecure'),
    isBlocked: optionalFlag(place, 'blocked'),
    mirrors: tables(place, 'mirror').map((mirror) => parseMirror(mirror, isDigestOnly)),
    file: place.file,
  };
}

function parseMirror(place: Place, isDigestOnly: boolean): Mirror {
  const location = optionalLocation(place, 'location');
  if (location === undefined) throw invalid(place, 'has no location');
  const when = optionalText(place, 'pull-from-mirror') || undefined;
  if (when !== undefined && isDigestOnly) {
    throw invalid(
      place,
      'has "pull-from-mirror" beside the "mirror-by-digest-only" of its registry',
    );
  }
  if (when !== undefined && !isPullFromMirror(when)) {
    throw invalid(place, `has "pull-from-mirror" = ${quote(when)}`, PULL_FROM_MIRROR);
  }
  const pullFromMirror = isDigestOnly ? 'digest-only' : (when ?? 'all');
  return { location, isInsecure: optionalFlag(place, 'insecure'), pullFromMirror };
}

/** Tables with one prefix must agree; the first of them counts. */
function withoutDoubles(rules: readonly RegistryRule[]): RegistryRule[] {
  const byPrefix = new Map<string, RegistryRule>();
  for (const rule of rules) {
    const first = byPrefix.get(rule.prefix);
    if (first === undefined) byPrefix.set(rule.prefix, rule);
    else if (first.isBlocked !== rule.isBlocked || first.isInsecure !== rule.isInsecure) {
      throw new EngineError(
        'CONFIG_INVALID',
        `${quote(rule.file)} says of the registry ${quote(rule.prefix)} twice whether it is blocked or insecure, and not the same`,
      );
    }
  }
  return [...byPrefix.values()];
}

function parseMode(place: Place): ShortNameMode | undefined {
  const mode = optionalText(place, 'short-name-mode') || undefined;
  if (mode === undefined || isMode(mode)) return mode;
  throw invalid(place, `has "short-name-mode" = ${quote(mode)}`, MODES);
}

function parseAliases(top: Place): Map<string, string> {
  const aliases = new Map<string, string>();
  const table = optionalTable(top, 'aliases') ?? {};
  for (const [name, target] of Object.entries(table)) {
    const place = { ...top, within: '[aliases]' };
    if (typeof target !== 'string') throw invalid(place, `has no text for ${quote(name)}`);
    if (!isShortName(name) || !isPlainName(name)) {
      throw invalid(
        place,
        `has the name ${quote(name)}; expected one without registry, tag and digest`,
      );
    }
    if (target !== '' && (isShortName(target) || !isPlainName(target))) {
      throw invalid(
        place,
        `leads from ${quote(name)} to ${quote(target)}; expected REGISTRY/REPOSITORY without tag and digest`,
      );
    }
    aliases.set(name, target);
  }
  return aliases;
}

/** Whether `text` is a reference that has neither tag nor digest. */
function isPlainName(text: string): boolean {
  try {
    parseReference(`${text}:t`);
    return true;
  } catch (error) {
    if (error instanceof EngineError && error.code === 'REFERENCE_INVALID') return false;
    throw error;
  }
}

function wildcard(stated: string, place: Place): string {
  if (/^\*(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+(?::[0-9]{1,5})?$/i.test(stated)) {
    return stated.toLowerCase();
  }
  throw invalid(
    place,
    `has the prefix ${quote(stated)}; expected a wildcard such as "*.example.com"`,
  );
}

function statedPrefix(stated: string | undefined, place: Place): string | undefined {
  if (stated === undefined || stated === '') return undefined;
  return hostAndPath(stated, place, 'prefix');
}

function optionalLocation(place: Place, key: string): string | undefined {
  const location = optionalText(place, key);
  return location === undefined || location === '' ? undefined : hostAndPath(location, place, key);
}

/** `host[:port][/path…]`, with the host in lower case as references have it. */
function hostAndPath(text: string, place: Place, key: string): string {
  const trimmed = text.replace(/\/+$/, '');
  const slash = trimmed.indexOf('/');
  const host = (slash < 0 ? trimmed : trimmed.slice(0, slash)).toLowerCase();
  const isHost = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/.test(host);
  const path = slash < 0 ? '' : trimmed.slice(slash);
  if (isHost && /^(?:\/[^/\s\u0000-\u0020]+)*$/.test(path)) return host + path;
  throw invalid(
    place,
    `has ${quote(key)} = ${quote(text)}; expected HOST[:PORT][/PATH] without a scheme`,
  );
}

function isPullFromMirror(text: string): text is PullFromMirror {
  return PULL_FROM_MIRROR.includes(text);
}

function isMode(text: string): text is ShortNameMode {
  return MODES.includes(text);
}

function isTable(value: TomlValue | undefined): value is TomlTable {
  return (
    typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date) && value !== null
  );
}

function tables(place: Place, key: string): Place[] {
  const value = place.table[key];
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalid(place, `has no [[${key}]] tables but something else`);
  return value.map((table, position) => {
    const within = place.within === '' ? `[[${key}]]` : `${place.within} [[${key}]]`;
    if (!isTable(table)) throw invalid(place, `has in ${quote(key)} something that is no table`);
    return { table, file: place.file, within: `${within} ${position + 1}` };
  });
}

function optionalTable(place: Place, key: string): TomlTable | undefined {
  const value = place.table[key];
  if (value === undefined || isTable(value)) return value;
  throw invalid(place, `has ${quote(key)} that is no table`);
}

function optionalText(place: Place, key: string): string | undefined {
  const value = place.table[key];
  if (value === undefined || typeof value === 'string') return value;
  throw invalid(place, `has ${quote(key)} that is no text`);
}

function optionalFlag(place: Place, key: string): boolean {
  const value = place.table[key] ?? false;
  if (typeof value === 'boolean') return value;
  throw invalid(place, `has ${quote(key)} that is neither true nor false`);
}

function optionalList(place: Place, key: string): string[] | undefined {
  const value = place.table[key];
  if (value === undefined) return undefined;
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string');
  if (isList) return value;
  throw invalid(place, `has ${quote(key)} that is no list of texts`);
}

function invalid(
  { file, within }: Place,
  what: string,
  expected: readonly string[] = [],
): EngineError {
  const choice = expected.length === 0 ? '' : `; expected ${expected.map(quote).join(', ')}`;
  const where = within === '' ? quote(file) : `${within} of ${quote(file)}`;
  return new EngineError('CONFIG_INVALID', `${where} ${what}${choice}`);
}
