/**
 * Reading what `docker save` writes: `manifest.json` names a config and its layers by file.
 *
 * Such an archive has no manifest in the registry's sense, so one is made here: the same archive
 * always gives the same manifest, and so the same digests.
 */

import { createHash } from 'node:crypto';
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestFromHash, digestOf } from '../oci/digest.ts';
import { parseImageConfig } from '../oci/image-config.ts';
import { MAX_LAYERS } from '../oci/image-manifest.ts';
import { isJsonObject, MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import {
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_LAYER_GZIP,
  DOCKER_LAYER_ZSTD,
  DOCKER_MANIFEST,
} from '../oci/media-type.ts';
import type { BlobSource } from './blob-source.ts';

/** An image of a docker archive, as the manifest made for it and the files of its blobs. */
export interface DockerArchiveImage {
  readonly manifestBytes: Buffer;
  readonly manifestDigest: Digest;
  /** File in the archive, by the digest the manifest gives it. */
  readonly files: ReadonlyMap<Digest, string>;
  readonly repoTags: readonly string[];
}

/** An image that a docker archive lists. */
export interface DockerArchiveEntry {
  /** File of the image config. */
  readonly config: string;
  readonly layers: readonly string[];
  /** As the archive has them, so possibly no references. */
  readonly repoTags: readonly string[];
}

/** The most images that an archive may hold, so that a list of names alone cannot keep us busy. */
export const MAX_ARCHIVE_IMAGES = 4096;

/**
 * Finds an image in a docker archive: the one with `tag`, or the only one.
 *
 * @param tag a full reference such as `busybox:latest`, or only its tag.
 * @throws EngineError `IMAGE_INVALID`, `IMAGE_NOT_FOUND`, `IMAGE_AMBIGUOUS`
 */
export async function readDockerArchive(
  source: BlobSource,
  tag: string | undefined,
): Promise<DockerArchiveImage> {
  return describeDockerImage(source, selectEntry(listDockerArchive(source), tag, source.label));
}

/** Layers that were looked into already, by file: several images may share them. */
export type KnownLayers = Map<string, Descriptor>;

/**
 * Makes the manifest of an image in a docker archive. Reads compressed layers once, for their digests;
 * those of plain layers are taken from the config, and whoever reads the layers verifies them.
 *
 * @throws EngineError `IMAGE_INVALID`
 */
export async function describeDockerImage(
  source: BlobSource,
  entry: DockerArchiveEntry,
  known: KnownLayers = new Map(),
): Promise<DockerArchiveImage> {
  const configBytes = source.readSmall(entry.config, MAX_DOCUMENT_BYTES);
  if (configBytes === undefined) throw missing(source, entry.config);
  const config = parseImageConfig(configBytes, `${source.label}: ${entry.config}`);
  const files = new Map<Digest, string>();
  const configDigest = digestOf(configBytes);
  files.set(configDigest, entry.config);
  const layers: Descriptor[] = [];
  for (const [position, file] of entry.layers.entries()) {
    const layer =
      known.get(file) ?? (await describeLayer(source, file, config.rootfs.diff_ids[position]));
    if (layer.mediaType !== DOCKER_LAYER) known.set(file, layer);
    files.set(layer.digest, file);
    layers.push(layer);
  }
  const manifestBytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: { mediaType: DOCKER_CONFIG, digest: configDigest, size: configBytes.length },
      layers,
    }),
  );
  const manifestDigest = digestOf(manifestBytes);
  return { manifestBytes, manifestDigest, files, repoTags: entry.repoTags };
}

/** The images that a docker archive lists. @throws EngineError `IMAGE_INVALID` */
export function listDockerArchive(source: BlobSource): DockerArchiveEntry[] {
  const bytes = source.readSmall('manifest.json', MAX_DOCUMENT_BYTES);
  if (bytes === undefined) {
    throw new EngineError(
      'IMAGE_INVALID',
      `${quote(source.label)} is not a docker archive: it has no "manifest.json"`,
      { hint: 'If it is an OCI archive, write "oci-archive:" in front of it.' },
    );
  }
  const items = parseList(bytes);
  if (items !== undefined && items.length > MAX_ARCHIVE_IMAGES) {
    throw invalidManifest(
      source,
      `lists ${items.length} images; expected at most ${MAX_ARCHIVE_IMAGES}`,
    );
  }
  const entries = items?.map(entryOf);
  const isList = entries?.every((entry) => entry !== undefined) === true;
  if (!isList) throw invalidManifest(source, 'is not a list of images with "Config" and "Layers"');
  const layers = Math.max(0, ...entries.map((entry) => entry.layers.length));
  if (layers > MAX_LAYERS) {
    throw invalidManifest(
      source,
      `lists an image of ${layers} layers; expected at most ${MAX_LAYERS}`,
    );
  }
  return entries;
}

function parseList(bytes: Buffer): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return Array.isArray(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function entryOf(item: unknown): DockerArchiveEntry | undefined {
  if (!isJsonObject(item) || typeof item.Config !== 'string') return undefined;
  const layers = stringsOf(item.Layers);
  const repoTags = stringsOf(item.RepoTags);
  if (layers === undefined || repoTags === undefined) return undefined;
  return { config: item.Config, layers, repoTags };
}

/** Go writes null for an empty list. */
function stringsOf(value: unknown): readonly string[] | undefined {
  const items: readonly unknown[] | undefined = Array.isArray(value) ? value : undefined;
  if (value === null || value === undefined) return [];
  return items?.every((item) => typeof item === 'string') === true ? items : undefined;
}

function invalidManifest(source: BlobSource, why: string): EngineError {
  return new EngineError('IMAGE_INVALID', `the "manifest.json" of ${quote(source.label)} ${why}`);
}

function selectEntry(
  entries: readonly DockerArchiveEntry[],
  tag: string | undefined,
  label: string,
): DockerArchiveEntry {
  const names = entries.flatMap((entry) => entry.repoTags);
  const [only, ...others] = entries;
  const found =
    tag === undefined
      ? only
      : entries.find((entry) => entry.repoTags.some((name) => isTag(name, tag)));
  if (found === undefined) {
    throw new EngineError(
      'IMAGE_NOT_FOUND',
      `the archive ${quote(label)} has no image ${quote(tag ?? '')}; it has ${names.map(quote).join(', ')}`,
    );
  }
  if (tag === undefined && others.length > 0) {
    throw new EngineError(
      'IMAGE_AMBIGUOUS',
      `the archive ${quote(label)} holds ${entries.length} images: ${names.map(quote).join(', ')}`,
      { hint: 'Add the name of one of them after a colon.' },
    );
  }
  return found;
}

function isTag(repoTag: string, tag: string): boolean {
  return repoTag === tag || repoTag.endsWith(`/${tag}`) || repoTag.endsWith(`:${tag}`);
}

async function describeLayer(
  source: BlobSource,
  file: string,
  diffId: string | undefined,
): Promise<Descriptor> {
  const size = source.sizeOf(file);
  if (size === undefined) throw missing(source, file);
  const hash = createHash('sha256');
  let mediaType: string | undefined;
  for await (const chunk of source.open(file, 0)) {
    mediaType ??= layerMediaType(chunk);
    // A plain layer's digest is its diffID, and the fetch verifies it: hashing twice would be waste.
    if (mediaType === DOCKER_LAYER && diffId !== undefined) {
      return { mediaType, digest: diffId as Digest, size };
    }
    hash.update(chunk);
  }
  const digest = digestFromHash('sha256', hash.digest('hex'));
  return { mediaType: mediaType ?? DOCKER_LAYER, digest, size };
}

function layerMediaType(head: Buffer): string {
  const magic = head.subarray(0, 4).toString('hex');
  if (magic.startsWith('1f8b')) return DOCKER_LAYER_GZIP;
  return magic === '28b52ffd' ? DOCKER_LAYER_ZSTD : DOCKER_LAYER;
}

function missing(source: BlobSource, file: string): EngineError {
  return new EngineError('IMAGE_INVALID', `${quote(source.label)} has no file ${quote(file)}`);
}
