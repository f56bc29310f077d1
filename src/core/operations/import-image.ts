/** `image import`: an image of one layer from the tar of a root file system. */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync } from 'node:fs';
import { EngineError, quote } from '../errors.ts';
import { readRange } from '../host/read-range.ts';
import type { OpenArchive } from '../layout/tar-members.ts';
import { applyConfigChanges } from '../oci/config-changes.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import {
  type DiffId,
  diffIdFromHash,
  digestFromHash,
  digestOf,
  type ImageId,
} from '../oci/digest.ts';
import { parseImageConfig } from '../oci/image-config.ts';
import { type JsonObject, parseJsonObject } from '../oci/json-document.ts';
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST } from '../oci/media-type.ts';
import { hostPlatform, type Platform } from '../oci/platform.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import type { OperationOptions } from '../progress.ts';
import { compressLayer } from './compress-layer.ts';
import type { Engine } from './engine.ts';
import { fetchFromFiles } from './fetch-image.ts';
import type { ImageTransport } from './image-transport.ts';
import { type ArchiveInput, compressionOf, inflate, openInput } from './spool-input.ts';

/** Options of `importImage`. */
export interface ImportOptions extends OperationOptions {
  /** The reference that the image gets. */
  readonly name: string;
  /** Dockerfile instructions for the image config, in order. */
  readonly changes?: readonly string[];
  /** JSON of an image config, or of its property `config` alone; the changes come after it. */
  readonly config?: string;
  /** Comment in the image's history. */
  readonly message?: string;
  /** Default: that of `config`, else the host's. */
  readonly platform?: Platform;
}

/** The image that was made. */
export interface ImportedImage {
  readonly imageId: ImageId;
  readonly reference: string;
}

/**
 * Makes an image of one layer from a tar, plain or compressed with gzip or zstd. A compressed tar is
 * the layer's blob as it is; a plain one is compressed with gzip, which every engine and registry
 * reads. The tar is verified like any layer; its contents are that of the new image and no other.
 *
 * @throws EngineError `REFERENCE_INVALID`, `USAGE_INVALID` for a change or config, `IMAGE_NOT_FOUND`
 *   without such a file, `IMAGE_INVALID`, `LAYER_INVALID`, `LAYER_ENTRY_REJECTED`, `STORE_UNUSABLE`,
 *   and the reason of `signal`; then the store is as it was
 */
export async function importImage(
  engine: Engine,
  input: ArchiveInput,
  options: ImportOptions,
): Promise<ImportedImage> {
  const reference = importReference(options.name);
  const base = configOf(options);
  const { dataDir } = engine.settings;
  const spooling = { dataDir, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  options.onProgress?.({ type: 'resolving', reference, source: sourceName(input) });
  using layer = disposable(await openLayer(await openInput(input, spooling), spooling));
  const { diffId, descriptor, archive } = layer;
  const history = { comment: options.message ?? `Imported from ${sourceName(input)}` };
  const document = { ...base, rootfs: { type: 'layers', diff_ids: [diffId] } };
  const created = typeof base.created === 'string' ? base.created : new Date().toISOString();
  const config = Buffer.from(
    JSON.stringify({
      ...document,
      created,
      history: [{ created, created_by: 'dray image import', ...history }],
    }),
  );
  const transport = importTransport({ archive, descriptor, config, reference });
  const platform = platformOf(base);
  const fetched = await fetchFromFiles(engine, transport, {
    ...options,
    platform,
    source: reference,
  });
  return { imageId: fetched.imageId, reference };
}

function importReference(name: string): string {
  const reference = parseReference(name);
  if (reference.digest === undefined) return formatReference(reference);
  throw new EngineError(
    'USAGE_INVALID',
    `${quote(name)} names an image by digest, which nobody can know before it is made`,
    { hint: 'Name it as REPOSITORY:TAG.' },
  );
}

function sourceName(input: ArchiveInput): string {
  return 'path' in input ? (input.label ?? input.path) : input.label;
}

/** Everything of the image config but what follows from the tar. */
function configOf({ config, changes = [], platform }: ImportOptions): JsonObject {
  const {
    rootfs: _rootfs,
    history: _history,
    ...given
  } = config === undefined ? {} : parsed(config);
  const { os, architecture, variant } = hostPlatform();
  const isForHost = given.architecture === undefined && given.os === undefined;
  const host = isForHost ? { os, architecture, ...(variant === undefined ? {} : { variant }) } : {};
  const { variant: givenVariant, ...others } = given;
  const own = platform ?? (givenVariant === undefined ? {} : { variant: givenVariant });
  const document = applyConfigChanges({ ...host, config: {}, ...others, ...own }, changes);
  checkConfig(document);
  return document;
}

const DEFAULTS_KEYS = ['Env', 'Cmd', 'Entrypoint', 'User', 'WorkingDir', 'Labels', 'ExposedPorts'];

function parsed(text: string): JsonObject {
  const document = asUsage(() => parseJsonObject(Buffer.from(text), 'the config'));
  const isDefaults = document.config === undefined && DEFAULTS_KEYS.some((key) => key in document);
  return isDefaults ? { config: document } : document;
}

/** What we would not read ourselves is not written. */
function checkConfig(document: JsonObject): void {
  const whole = { ...document, rootfs: { type: 'layers', diff_ids: [] } };
  asUsage(() => parseImageConfig(Buffer.from(JSON.stringify(whole)), 'the config'));
}

function asUsage<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof EngineError && error.code === 'IMAGE_INVALID')) throw error;
    throw new EngineError('USAGE_INVALID', error.message, { cause: error });
  }
}

function platformOf(document: JsonObject): Platform {
  const { os, architecture, variant } = document;
  const name = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    os: name(os),
    architecture: name(architecture),
    ...(typeof variant === 'string' ? { variant } : {}),
  };
}

interface ImportLayer {
  /** A regular file with the bytes of the blob. */
  readonly archive: OpenArchive;
  readonly descriptor: Descriptor;
  readonly diffId: DiffId;
}

type Spooling = { readonly dataDir: string; readonly signal?: AbortSignal };

/** The blob of the layer. Takes `archive` over. */
async function openLayer(archive: OpenArchive, spooling: Spooling): Promise<ImportLayer> {
  let open = archive;
  try {
    const compression = compressionOf(archive);
    const tarHash = createHash('sha256');
    if (compression === 'none') open = await compressLayer(archive, tarHash, spooling);
    else await inflate(archive, (bytes) => tarHash.update(bytes), spooling.signal);
    const size = fstatSync(open.fd).size;
    const blobHash = createHash('sha256');
    for await (const bytes of readRange(open.fd, 0, size)) blobHash.update(bytes);
    const digest = digestFromHash('sha256', blobHash.digest('hex'));
    const mediaType = compression === 'zstd' ? OCI_LAYER_ZSTD : OCI_LAYER_GZIP;
    const diffId = diffIdFromHash('sha256', tarHash.digest('hex'));
    return { archive: open, descriptor: { mediaType, digest, size }, diffId };
  } catch (error) {
    closeSync(open.fd);
    throw error;
  }
}

function disposable(layer: ImportLayer): ImportLayer & Disposable {
  return { ...layer, [Symbol.dispose]: () => closeSync(layer.archive.fd) };
}

interface ImportSource {
  readonly archive: OpenArchive;
  readonly descriptor: Descriptor;
  readonly config: Buffer;
  readonly reference: string;
}

function importTransport(source: ImportSource): ImageTransport {
  const { archive, descriptor, config, reference } = source;
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, digest: digestOf(config), size: config.length },
      layers: [descriptor],
    }),
  );
  const top = { bytes, mediaType: OCI_MANIFEST, digest: digestOf(bytes) };
  return {
    source: archive.label,
    reference,
    headDigest: async () => undefined,
    top: async () => top,
    manifest: async () => top,
    smallBlob: async () => config,
    blob: (_layer, offset) => readRange(archive.fd, offset, descriptor.size),
    [Symbol.asyncDispose]: async () => {},
  };
}
