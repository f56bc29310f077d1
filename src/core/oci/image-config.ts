/**
 * The image config (image-spec `config.md`).
 *
 * What decides how and as whom the image's process runs is strict; what only describes the image is
 * tolerated: junk there is left out, unknown fields are ignored.
 */
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import { type DiffId, parseDiffId } from './digest.ts';
import type { ImageManifest } from './image-manifest.ts';
import {
  invalid,
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  requireArray,
  requireObject,
  requireString,
  wrongField,
} from './json-document.ts';

/** Defaults for containers of the image (image-spec `config.md`, property `config`). */
export interface ImageDefaults {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  /** `NAME=value` each. */
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  /** Keys are absolute paths. */
  readonly Volumes?: Readonly<Record<string, unknown>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  /** Docker's extensions; only shown. */
  readonly Shell?: readonly string[];
  readonly Healthcheck?: Readonly<Record<string, unknown>>;
}

/** One step of how the image was made; only shown. */
export interface HistoryEntry {
  readonly created?: string;
  readonly author?: string;
  readonly created_by?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** The config of an image. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  /** RFC 3339; as the image has it, so possibly junk. */
  readonly created?: string;
  readonly author?: string;
  readonly config: ImageDefaults;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly DiffId[] };
  readonly history: readonly HistoryEntry[];
}

/** A layer of the manifest with the diffID that the config gives it. */
export interface ImageLayer {
  readonly descriptor: Descriptor;
  readonly diffId: DiffId;
}

/**
 * Parses the bytes of an image config.
 *
 * `Entrypoint` and `Cmd` may be one string instead of an array, as Docker accepts.
 *
 * @param where names the config for errors.
 * @throws EngineError `IMAGE_INVALID` naming the field; `DIGEST_INVALID` for a diffID.
 */
export function parseImageConfig(bytes: Buffer, where: string): ImageConfig {
  const document = parseJsonObject(bytes, where);
  return {
    architecture: requireName(document, 'architecture', where),
    os: requireName(document, 'os', where),
    ...optionalText(document, ['variant', 'os.version', 'created', 'author']),
    config: parseDefaults(document.config, where),
    rootfs: { type: 'layers', diff_ids: parseDiffIds(document, where) },
    history: parseHistory(document.history),
  };
}

/**
 * The layers of an image, lowest first.
 *
 * @throws EngineError `IMAGE_INVALID` when manifest and config count them differently.
 */
export function pairLayers(
  manifest: ImageManifest,
  config: ImageConfig,
  where: string,
): readonly ImageLayer[] {
  const diffIds = config.rootfs.diff_ids;
  const pairs: ImageLayer[] = [];
  for (const [at, descriptor] of manifest.layers.entries()) {
    const diffId = diffIds[at];
    if (diffId !== undefined) pairs.push({ descriptor, diffId });
  }
  if (pairs.length === manifest.layers.length && pairs.length === diffIds.length) return pairs;
  throw invalid(
    where,
    `has ${manifest.layers.length} layers in its manifest but ${diffIds.length} in its config`,
  );
}

function requireName(document: JsonObject, field: string, where: string): string {
  const name = requireString(document[field], field, where);
  if (name === '') throw wrongField(where, field, name, 'a name');
  return name;
}

function parseDiffIds(document: JsonObject, where: string): readonly DiffId[] {
  const rootfs = requireObject(document.rootfs, 'rootfs', where);
  if (rootfs.type !== 'layers') {
    throw wrongField(where, 'rootfs.type', rootfs.type, '"layers"');
  }
  const diffIds = requireArray(rootfs.diff_ids, 'rootfs.diff_ids', where);
  return diffIds.map((item, at) => parseDiffId(item, `${where}, field rootfs.diff_ids[${at}],`));
}

function parseDefaults(value: unknown, where: string): ImageDefaults {
  if (value === undefined || value === null) return {};
  const object = requireObject(value, 'config', where);
  return {
    ...strictText(object, 'User', where),
    ...strictText(object, 'WorkingDir', where),
    ...strictList(object, 'Env', where),
    ...strictList(object, 'Entrypoint', where),
    ...strictList(object, 'Cmd', where),
    ...optionalText(object, ['StopSignal']),
    ...keysOf(object, 'ExposedPorts'),
    ...keysOf(object, 'Volumes'),
    ...labelsOf(object),
    ...shellOf(object),
    ...(isJsonObject(object.Healthcheck) ? { Healthcheck: object.Healthcheck } : {}),
  };
}

function strictText(object: JsonObject, key: string, where: string): Record<string, string> {
  const value = object[key];
  if (value === undefined || value === null) return {};
  return {
    [key]: withoutNul(requireString(value, `config.${key}`, where), `config.${key}`, where),
  };
}

function strictList(object: JsonObject, key: string, where: string): Record<string, string[]> {
  const value = object[key];
  if (value === undefined || value === null) return {};
  const isCommand = key === 'Entrypoint' || key === 'Cmd';
  const items = isCommand && typeof value === 'string' ? [value] : value;
  const strings = requireArray(items, `config.${key}`, where).map((item, at) => {
    const field = `config.${key}[${at}]`;
    return withoutNul(requireString(item, field, where), field, where);
  });
  return { [key]: strings };
}

function withoutNul(text: string, field: string, where: string): string {
  if (!text.includes('\0')) return text;
  throw new EngineError(
    'IMAGE_INVALID',
    `${where} has ${quote(text)} in field ${field}; expected no NUL character`,
  );
}

function optionalText(object: JsonObject, keys: readonly string[]): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const key of keys) {
    const value = object[key];
    if (typeof value === 'string' && value !== '') texts[key] = value;
  }
  return texts;
}

/** The keys of a set that Go wrote as an object of empty objects. */
function keysOf(
  object: JsonObject,
  key: string,
): Record<string, Readonly<Record<string, unknown>>> {
  const value = object[key];
  if (!isJsonObject(value)) return {};
  const set: Record<string, unknown> = Object.create(null);
  for (const member of Object.keys(value)) set[member] = {};
  return { [key]: set };
}

function labelsOf(object: JsonObject): Pick<ImageDefaults, 'Labels'> {
  const value = object.Labels;
  if (!isJsonObject(value)) return {};
  const labels: Record<string, string> = Object.create(null);
  for (const [name, text] of Object.entries(value)) {
    if (typeof text === 'string') labels[name] = text;
  }
  return { Labels: labels };
}

function shellOf(object: JsonObject): Pick<ImageDefaults, 'Shell'> {
  const value = object.Shell;
  if (!Array.isArray(value)) return {};
  const words: readonly unknown[] = value;
  return words.every((word) => typeof word === 'string') ? { Shell: words } : {};
}

function parseHistory(value: unknown): readonly HistoryEntry[] {
  if (!Array.isArray(value)) return [];
  const items: readonly unknown[] = value;
  return items.filter(isJsonObject).map((item) => ({
    ...optionalText(item, ['created', 'author', 'created_by', 'comment']),
    ...(item.empty_layer === true ? { empty_layer: true } : {}),
  }));
}
