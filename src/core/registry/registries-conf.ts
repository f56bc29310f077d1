/**
 * The host's registry configuration, containers-registries.conf(5), as podman reads it.
 *
 * | read | when |
 * |---|---|
 * | the user's file, then the `*.conf` of the user's directory | the user's file exists |
 * | else the system's file, then the `*.conf` of the system's directory, then of the user's | always |
 * | the short-name cache, for its aliases only | always |
 *
 * Files of a directory come in the order of their names. What a later file says replaces what an
 * earlier one said, per key: the search list and the mode as a whole, a `[[registry]]` by its prefix,
 * an alias by its name. What does not exist is as good as empty.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import {
  parseRegistriesFile,
  type RegistriesFile,
  type RegistryRule,
  type ShortNameMode,
} from './registries-file.ts';

/** A configuration file with its drop-in directory. Absolute paths; neither need exist. */
export interface ConfPlace {
  readonly file: string;
  /** Whether somebody named the file, so that a missing one is an error. */
  readonly isNamed?: boolean;
  readonly directory: string;
}

/** Where the registry configuration is. */
export interface RegistriesConfPaths {
  readonly system: ConfPlace;
  /** Without a file, its directory only adds to the system's. */
  readonly user?: { readonly file?: string; readonly directory: string };
  /** The aliases that podman has recorded; read, never written. */
  readonly shortNameCache?: string;
}

/** All that the files say. */
export interface RegistriesConf {
  /** By prefix. */
  readonly rules: ReadonlyMap<string, RegistryRule>;
  readonly searchRegistries: readonly string[];
  readonly shortNameMode: ShortNameMode;
  /** From a short name without tag and digest to a reference without them. */
  readonly aliases: ReadonlyMap<string, string>;
}

/** What holds where nothing is configured. */
export const NO_REGISTRIES_CONF: RegistriesConf = {
  rules: new Map(),
  searchRegistries: ['docker.io'],
  shortNameMode: 'permissive',
  aliases: new Map(),
};

const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Reads and merges the files.
 *
 * @throws EngineError `CONFIG_INVALID` naming file and key; `PERMISSION_DENIED`
 */
export async function loadRegistriesConf(paths: RegistriesConfPaths): Promise<RegistriesConf> {
  const { main, dropIns } = filesOf(paths);
  // What it blocks would be asked otherwise.
  if (paths.system.isNamed && !existsSync(paths.system.file)) throw missing(paths.system.file);
  const files: RegistriesFile[] = [];
  for (const [position, path] of [main, ...dropIns].entries()) {
    const text = readConfFile(path);
    // Most files hold comments only, and the parser is loaded for none of them.
    if (text !== undefined && hasContent(text)) {
      files.push(await parseRegistriesFile(text, path, { isDropIn: position > 0 }));
    }
  }
  const cached =
    paths.shortNameCache === undefined ? undefined : readConfFile(paths.shortNameCache);
  if (paths.shortNameCache !== undefined && cached !== undefined && hasContent(cached)) {
    const { aliases } = await parseRegistriesFile(cached, paths.shortNameCache, { isDropIn: true });
    files.push({ rules: [], aliases });
  }
  return merge(files);
}

function filesOf({ system, user }: RegistriesConfPaths): { main: string; dropIns: string[] } {
  const ofUser = user === undefined ? [] : dropInsOf(user.directory);
  if (user?.file !== undefined && existsSync(user.file)) {
    return { main: user.file, dropIns: ofUser };
  }
  return { main: system.file, dropIns: [...dropInsOf(system.directory), ...ofUser] };
}

function dropInsOf(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.conf'))
      .sort()
      .map((name) => join(directory, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return [];
    throw unreadable(directory, error);
  }
}

function readConfFile(path: string): string | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.isDirectory()) return undefined;
    if (!stats.isFile() || stats.size > MAX_FILE_BYTES) {
      throw new EngineError(
        'CONFIG_INVALID',
        `${quote(path)} is no configuration: expected a file of at most ${MAX_FILE_BYTES} bytes`,
      );
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error instanceof EngineError ? error : unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): unknown {
  if (!hasErrno(cause, 'EACCES') && !hasErrno(cause, 'EPERM')) return cause;
  return new EngineError('PERMISSION_DENIED', `${quote(path)} may not be read`, { cause });
}

function missing(path: string): EngineError {
  return new EngineError('CONFIG_INVALID', `there is no registry configuration ${quote(path)}`, {
    hint: 'Check CONTAINERS_REGISTRIES_CONF.',
  });
}

function hasContent(text: string): boolean {
  return /^[ \t]*[^#\s]/m.test(text);
}

function merge(files: readonly RegistriesFile[]): RegistriesConf {
  const rules = new Map<string, RegistryRule>();
  const aliases = new Map<string, string>();
  let { searchRegistries, shortNameMode } = NO_REGISTRIES_CONF;
  for (const file of files) {
    for (const rule of file.rules) rules.set(rule.prefix, rule);
    searchRegistries = file.searchRegistries ?? searchRegistries;
    shortNameMode = file.shortNameMode ?? shortNameMode;
    for (const [name, target] of file.aliases) {
      // An empty one takes the alias of an earlier file away.
      if (target === '') aliases.delete(name);
      else aliases.set(name, target);
    }
  }
  return { rules, searchRegistries, shortNameMode, aliases };
}
