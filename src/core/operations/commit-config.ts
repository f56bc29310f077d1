/** The config of an image that is made from a container. */
import type { ContainerRecord } from '../container/container-record.ts';
import { EngineError } from '../errors.ts';
import { applyConfigChanges, type ImageConfigObject } from '../oci/config-changes.ts';
import type { DiffId, ImageId } from '../oci/digest.ts';
import { parseImageConfig } from '../oci/image-config.ts';
import { type ImageManifest, parseManifestDocument } from '../oci/image-manifest.ts';
import { isJsonObject, MAX_DOCUMENT_BYTES, parseJsonObject } from '../oci/json-document.ts';
import type { Platform } from '../oci/platform.ts';
import type { RunOptions } from '../runtime/run-options.ts';
import { decodeRunOptions } from '../runtime/run-options-json.ts';
import { readSmallBlob } from '../store/blob-store.ts';
import { readSummary } from '../store/image-summary.ts';

/** The image that a container was made from. */
export interface ParentImage {
  readonly manifest: ImageManifest;
  /** The config document as its blob has it. */
  readonly config: ImageConfigObject;
}

/** Where the config comes from. */
export interface ConfigSource {
  readonly record: ContainerRecord;
  /** Of the new layer; undefined when nothing was changed. */
  readonly diffId: DiffId | undefined;
  readonly created: Date;
  readonly author?: string;
  readonly message?: string;
  readonly changes: readonly string[];
}

/** The bytes of a config, and the platform that it says. */
export interface CommittedConfig {
  readonly bytes: Buffer;
  readonly platform: Platform;
}

/**
 * Reads manifest and config of a container's image.
 *
 * @throws EngineError `IMAGE_NOT_FOUND` when the image is not in the store any more
 */
export function readParent(dataDir: string, imageId: ImageId): ParentImage {
  try {
    const { manifest: descriptor } = readSummary(dataDir, imageId);
    const where = `manifest ${descriptor.digest}`;
    const bytes = readSmallBlob(dataDir, descriptor.digest, MAX_DOCUMENT_BYTES);
    const document = parseManifestDocument(bytes, descriptor.mediaType, where);
    if (document.kind !== 'manifest') throw new Error(`${where} is an index`);
    const config = readSmallBlob(dataDir, imageId, MAX_DOCUMENT_BYTES);
    return { manifest: document.manifest, config: parseJsonObject(config, `config ${imageId}`) };
  } catch (error) {
    if (!(error instanceof EngineError && error.code === 'STORE_CORRUPT')) throw error;
    const shortId = imageId.replace(':', '-').slice(0, 'sha256-'.length + 12);
    const message = `the container's image ${shortId} is not in the store any more`;
    throw new EngineError('IMAGE_NOT_FOUND', message, {
      hint: 'Fetch that image again, then commit.',
      cause: error,
    });
  }
}

/**
 * The image's config with what the container was run with, then the changes, one more history entry,
 * and the new layer.
 *
 * @throws EngineError `USAGE_INVALID` for a change that cannot be made
 */
export function committedConfig(parent: ParentImage, source: ConfigSource): CommittedConfig {
  const { record, diffId, created, author, message, changes } = source;
  const options = record.options === undefined ? undefined : decodeRunOptions(record.options);
  // What docker wrote about the container that it made the image from is not true of this one.
  const { container: _id, container_config: _config, author: _author, ...base } = parent.config;
  const changed = applyConfigChanges(
    options === undefined ? base : withOptions(base, options),
    changes,
  );
  const { history, rootfs } = parent.config;
  const by = author === undefined ? {} : { author };
  const time = created.toISOString();
  const entry = {
    created: time,
    ...by,
    created_by: record.command.join(' '),
    ...(message === undefined ? {} : { comment: message }),
    ...(diffId === undefined ? { empty_layer: true } : {}),
  };
  const diffIds = isJsonObject(rootfs) && Array.isArray(rootfs.diff_ids) ? rootfs.diff_ids : [];
  const document = {
    ...changed,
    created: time,
    ...by,
    rootfs: { type: 'layers', diff_ids: [...diffIds, ...(diffId === undefined ? [] : [diffId])] },
    history: [...(Array.isArray(history) ? history : []), entry],
  };
  const bytes = Buffer.from(JSON.stringify(document));
  return { bytes, platform: platformOf(bytes) };
}

function platformOf(bytes: Buffer): Platform {
  const { os, architecture, variant } = parseImageConfig(bytes, 'the config of the new image');
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** What the flags of `run` said in place of the image, which a container of the new image would too. */
function withOptions(config: ImageConfigObject, options: RunOptions): ImageConfigObject {
  const defaults = isJsonObject(config.config) ? config.config : {};
  const { entrypoint, command, user, workingDirectory, labels, stopSignal } = options;
  const hasCommand = entrypoint !== undefined || command.length > 0;
  return {
    ...config,
    config: {
      ...defaults,
      ...withEnvironment(defaults.Env, options),
      ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
      ...(hasCommand ? { Cmd: command } : {}),
      ...(user === undefined ? {} : { User: user }),
      ...(workingDirectory === undefined ? {} : { WorkingDir: workingDirectory }),
      ...(labels.size === 0 ? {} : { Labels: mergedLabels(defaults.Labels, labels) }),
      ...(stopSignal === undefined ? {} : { StopSignal: `${stopSignal}` }),
    },
  };
}

function withEnvironment(env: unknown, { environment }: RunOptions) {
  if (environment.length === 0) return {};
  const entries = Array.isArray(env) ? env.filter((entry) => typeof entry === 'string') : [];
  const merged = new Map(
    entries.map((entry): [string, string] => [entry.replace(/=.*$/s, ''), entry]),
  );
  for (const { name, value } of environment) {
    if (value === undefined) merged.delete(name);
    else merged.set(name, `${name}=${value}`);
  }
  return { Env: [...merged.values()] };
}

function mergedLabels(labels: unknown, more: ReadonlyMap<string, string>) {
  const merged: Record<string, unknown> = Object.create(null);
  for (const [name, text] of isJsonObject(labels) ? Object.entries(labels) : [])
    merged[name] = text;
  for (const [name, text] of more) merged[name] = text;
  return merged;
}
