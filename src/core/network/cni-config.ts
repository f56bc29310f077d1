/**
 * Network configurations of the CNI specification (section 1), out of files that a user or another
 * program wrote. All of it is untrusted.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../oci/json-document.ts';

/** A network as a list of plugins. */
export interface CniNetwork {
  readonly name: string;
  /** The version that its plugins are spoken to in. */
  readonly cniVersion: string;
  /** Versions that the list offers, when it offers several: the best that all plugins know is used. */
  readonly cniVersions: readonly string[];
  /** What only the list itself says: `disableCheck` and `disableGC`. */
  readonly isCheckDisabled: boolean;
  /** One object for each plugin, in the order of ADD. Never empty. */
  readonly plugins: readonly CniPluginConfig[];
}

/** The configuration of one plugin. */
export interface CniPluginConfig extends JsonObject {
  readonly type: string;
}

/** Versions that we can speak, the newest first. */
export const CNI_VERSIONS = [
  '1.1.0',
  '1.0.0',
  '0.4.0',
  '0.3.1',
  '0.3.0',
  '0.2.0',
  '0.1.0',
] as const;

const OLDEST_VERSION = '0.1.0';
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const LARGEST_FILE_BYTES = 1024 * 1024;
const MOST_PLUGINS = 64;
const EXTENSIONS = ['.conflist', '.conf', '.json'];

/** Whether a text can be the name of a network (CNI specification). */
export function isNetworkName(text: string): boolean {
  return NAME.test(text) && text.length <= 128;
}

/**
 * The network called `name` among the files of a directory, in the order of their names; undefined
 * when there is none, or no such directory. Damaged files of other networks are passed over.
 *
 * @throws EngineError `CONFIG_INVALID` for the file that has this name and is damaged
 */
export function findCniNetwork(directory: string, name: string): CniNetwork | undefined {
  for (const path of configFiles(directory)) {
    const network = tryRead(path, name);
    if (network?.name === name) return network;
  }
  return undefined;
}

/** All sound networks of a directory; of two with one name the first. */
export function listCniNetworks(directory: string): CniNetwork[] {
  const found = new Map<string, CniNetwork>();
  for (const path of configFiles(directory)) {
    const network = tryRead(path, undefined);
    if (network !== undefined && !found.has(network.name)) found.set(network.name, network);
  }
  return [...found.values()];
}

function configFiles(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => EXTENSIONS.includes(extname(name)))
      .sort()
      .map((name) => join(directory, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return [];
    throw error;
  }
}

/** A file that is wrong and says that it is the wanted network is an error; others are not our concern. */
function tryRead(path: string, wanted: string | undefined): CniNetwork | undefined {
  let value: unknown;
  try {
    const bytes = readFileSync(path);
    if (bytes.length > LARGEST_FILE_BYTES) return undefined;
    value = JSON.parse(bytes.toString('utf8'));
    return parseCniNetwork(value, path);
  } catch (error) {
    const isWanted = isJsonObject(value) && wanted !== undefined && value.name === wanted;
    if (isWanted || !(error instanceof EngineError || error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

/**
 * Parses a configuration list, or the configuration of a single plugin, as CNI before 1.0 had it.
 *
 * @param where names the document for errors.
 * @throws EngineError `CONFIG_INVALID`
 */
export function parseCniNetwork(value: unknown, where: string): CniNetwork {
  if (!isJsonObject(value)) throw wrong(where, 'is not a JSON object');
  const { name, cniVersion = OLDEST_VERSION, plugins = [value] } = value;
  if (typeof name !== 'string' || !isNetworkName(name)) {
    throw wrong(where, 'has no usable "name"');
  }
  if (!Array.isArray(plugins) || plugins.length === 0 || plugins.length > MOST_PLUGINS) {
    throw wrong(where, 'has no list of "plugins"');
  }
  const cniVersions = versionsOf(value.cniVersions);
  if (cniVersions.length === 0 && !isKnown(cniVersion)) {
    const shown = typeof cniVersion === 'string' ? quote(cniVersion) : 'no text';
    throw wrong(where, `has the cniVersion ${shown}; known are ${CNI_VERSIONS.join(', ')}`);
  }
  return {
    name,
    cniVersion: isKnown(cniVersion) ? cniVersion : (cniVersions[0] ?? OLDEST_VERSION),
    cniVersions,
    isCheckDisabled: value.disableCheck === true || value.disableCheck === 'true',
    plugins: plugins.map((plugin) => parsePlugin(plugin, where)),
  };
}

/** Those that we know, the newest first. */
function versionsOf(value: unknown): string[] {
  return Array.isArray(value) ? CNI_VERSIONS.filter((version) => value.includes(version)) : [];
}

function isKnown(version: unknown): version is string {
  return CNI_VERSIONS.some((known) => known === version);
}

function parsePlugin(value: unknown, where: string): CniPluginConfig {
  const type = isJsonObject(value) ? value.type : undefined;
  // A plugin's type becomes the name of a program.
  if (!isJsonObject(value) || typeof type !== 'string' || !NAME.test(type)) {
    throw wrong(where, 'has a plugin without a usable "type"');
  }
  return { ...value, type };
}

function wrong(where: string, why: string): EngineError {
  return new EngineError('CONFIG_INVALID', `the network configuration ${quote(where)} ${why}`, {
    hint: 'See the CNI specification, "Section 1: Network configuration format".',
  });
}
