/** What an image summary holds, and reading it: its bytes are trusted no more than others on a disk. */
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import {
  type ChainId,
  type DiffId,
  type Digest,
  type ImageId,
  isDigest,
  parseDiffId,
  parseDigest,
} from '../oci/digest.ts';
import type { ImageDefaults } from '../oci/image-config.ts';
import {
  isJsonObject,
  type JsonObject,
  requireArray,
  requireObject,
  requireSize,
  requireString,
  requireStringMap,
} from '../oci/json-document.ts';

/** A layer of an image. dray has seen the blob `digest` inflate to `diffId`. */
export interface SummaryLayer {
  readonly digest: Digest;
  /** Bytes of the blob. */
  readonly size: number;
  readonly mediaType: string;
  readonly diffId: DiffId;
}

/** What `run` needs of an image config (image-spec `config.md`). */
export interface SummaryConfig extends ImageDefaults {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** What dray knows of an image that is complete in the store. */
export interface ImageSummary {
  readonly version: 1;
  readonly imageId: ImageId;
  readonly manifest: Descriptor;
  readonly config: SummaryConfig;
  /** Lowest first. */
  readonly layers: readonly SummaryLayer[];
  readonly chainId: ChainId;
  /** DiffIDs whose layer data files are the devices of the root file system, in device order. */
  readonly devices: readonly DiffId[];
  /** Bytes of all blobs: layers, config and manifest. */
  readonly sizeBytes: number;
  /** As the image config says, so possibly junk. */
  readonly createdAt?: string;
}

/**
 * Parses a summary.
 *
 * @param path names the file for the error.
 * @throws EngineError `STORE_CORRUPT`
 */
export function parseSummary(bytes: Buffer, path: string): ImageSummary {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return summaryOf(requireObject(value, 'summary', 'it'));
  } catch (error) {
    const isExpected = error instanceof SyntaxError || error instanceof EngineError;
    if (!isExpected) throw error;
    throw new EngineError(
      'STORE_CORRUPT',
      `the image summary ${quote(path)} is damaged: ${error.message}`,
      {
        hint: 'Fetch the image again: what is in the store is not transferred twice.',
        cause: error,
      },
    );
  }
}

function summaryOf(object: JsonObject): ImageSummary {
  if (object.version !== 1) {
    throw new EngineError('STORE_CORRUPT', 'it is not of version 1');
  }
  const createdAt = object.createdAt;
  return {
    version: 1,
    imageId: parseDigest(object.imageId, 'imageId'),
    manifest: descriptorOf(object.manifest, 'manifest'),
    config: configOf(requireObject(object.config, 'config', 'it')),
    layers: requireArray(object.layers, 'layers', 'it').map(layerOf),
    chainId: chainIdOf(object.chainId),
    devices: requireArray(object.devices, 'devices', 'it').map((id) => parseDiffId(id, 'devices')),
    sizeBytes: requireSize(object.sizeBytes, 'sizeBytes', 'it'),
    ...(typeof createdAt === 'string' ? { createdAt } : {}),
  };
}

function chainIdOf(value: unknown): ChainId {
  // A chainID is made from diffIDs; here it only has to be one that can be a file name.
  if (isDigest(value)) return value as string as ChainId;
  throw new EngineError('STORE_CORRUPT', 'its "chainId" is not a digest');
}

function descriptorOf(value: unknown, field: string): Descriptor {
  const object = requireObject(value, field, 'it');
  return {
    mediaType: requireString(object.mediaType, `${field}.mediaType`, 'it'),
    digest: parseDigest(object.digest, `${field}.digest`),
    size: requireSize(object.size, `${field}.size`, 'it'),
  };
}

function layerOf(value: unknown): SummaryLayer {
  const diffId: DiffId = parseDiffId(isJsonObject(value) ? value.diffId : undefined, 'diffId');
  return { ...descriptorOf(value, 'layers'), diffId };
}

function configOf(object: JsonObject): SummaryConfig {
  return {
    os: requireString(object.os, 'os', 'it'),
    architecture: requireString(object.architecture, 'architecture', 'it'),
    ...eachPresent(object, ['variant', 'User', 'WorkingDir', 'StopSignal'], requireString),
    ...eachPresent(object, ['Env', 'Entrypoint', 'Cmd', 'Shell'], requireStrings),
    ...eachPresent(object, ['ExposedPorts', 'Volumes', 'Healthcheck'], requireOwnMap),
    ...eachPresent(object, ['Labels'], requireStringMap),
  };
}

type Requirement<T> = (value: unknown, field: string, where: string) => T;

function eachPresent<T>(
  object: JsonObject,
  keys: readonly string[],
  requirement: Requirement<T>,
): Record<string, T> {
  const present: Record<string, T> = {};
  for (const key of keys) {
    const value = object[key];
    if (value !== undefined) present[key] = requirement(value, key, 'it');
  }
  return present;
}

function requireStrings(value: unknown, field: string, where: string): readonly string[] {
  return requireArray(value, field, where).map((item) => requireString(item, field, where));
}

/** An object whose outside keys must not reach a prototype. */
function requireOwnMap(
  value: unknown,
  field: string,
  where: string,
): Readonly<Record<string, unknown>> {
  const map: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(requireObject(value, field, where))) map[key] = item;
  return map;
}
