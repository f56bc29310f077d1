/** `commit`: a new image from what a container changed. */
import { createHash } from 'node:crypto';
import { closeSync, writeSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { EngineError, quote } from '../errors.ts';
import { readRange } from '../host/read-range.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import {
  type DiffId,
  diffIdFromHash,
  digestFromHash,
  digestOf,
  type ImageId,
} from '../oci/digest.ts';
import { DOCKER_LAYER_GZIP, DOCKER_MANIFEST, OCI_LAYER_GZIP } from '../oci/media-type.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import type { OperationOptions } from '../progress.ts';
import { upperTar } from '../rootfs/upper-tar.ts';
import { openBlob } from '../store/blob-store.ts';
import { withStoreErrorsAsync } from '../store/store-error.ts';
import { openUnnamedFile } from '../store/unnamed-file.ts';
import {
  type CommittedConfig,
  committedConfig,
  type ParentImage,
  readParent,
} from './commit-config.ts';
import { containerMounts } from './container-mounts.ts';
import { type ContainerView, openContainerView } from './container-view.ts';
import { type Engine, runtimeRoot } from './engine.ts';
import { fetchFromFiles } from './fetch-image.ts';
import type { ImageTransport } from './image-transport.ts';

/** Options of `commitContainer`. */
export interface CommitOptions extends OperationOptions {
  /** The reference that the image gets; undefined: none. */
  readonly name?: string;
  readonly author?: string;
  readonly message?: string;
  /** Dockerfile instructions for the image config, in order. */
  readonly changes: readonly string[];
  /** Stop a running container's processes while its files are read. */
  readonly pause: boolean;
}

/** The image that was made. */
export interface CommittedImage {
  readonly imageId: ImageId;
  readonly reference: string | undefined;
}

/**
 * Makes an image of the container's image and one more layer, which holds what the container
 * changed; a container that changed nothing adds no layer. Its config is the image's with what the
 * container was run with, then `changes`. The layer is stored and verified like one that is fetched.
 * Volumes and other mounts are not in it.
 *
 * @throws EngineError `REFERENCE_INVALID`, `USAGE_INVALID` for a change; `IMAGE_NOT_FOUND` when the
 *   container's image has been removed from the store; `LAYER_ENTRY_REJECTED`; as
 *   `openContainerView`; and the reason of `signal`. Then the store is as it was
 */
export async function commitContainer(
  engine: Engine,
  input: string,
  options: CommitOptions,
): Promise<CommittedImage> {
  const reference = options.name === undefined ? undefined : imageReference(options.name);
  const { parent, configFor, layer } = await readContainer(engine, input, options);
  using _file = { [Symbol.dispose]: () => closeSync(layer.fd) };
  options.signal?.throwIfAborted();
  const committed = configFor(layer.isEmpty ? undefined : layer.diffId);
  const transport = commitTransport(engine, { parent, committed, layer, reference });
  const { imageId } = await fetchFromFiles(engine, transport, {
    ...options,
    platform: committed.platform,
    source: reference ?? input,
  });
  return { imageId, reference };
}

function imageReference(name: string): string {
  const reference = parseReference(name);
  if (reference.digest === undefined) return formatReference(reference);
  throw new EngineError(
    'USAGE_INVALID',
    `${quote(name)} names an image by digest, which nobody can know before it is made`,
    { hint: 'Name it as REPOSITORY:TAG.' },
  );
}

/** What is taken from the container, after which it is let go. */
interface ContainerReading {
  readonly parent: ParentImage;
  readonly configFor: (diffId: DiffId | undefined) => CommittedConfig;
  readonly layer: NewLayer;
}

async function readContainer(
  engine: Engine,
  input: string,
  options: CommitOptions,
): Promise<ContainerReading> {
  using view = await openContainerView(engine, input);
  const { record } = view.listing;
  if (record === undefined) throw new Error(`the container ${view.listing.id} has no record`);
  const parent = readParent(engine.settings.dataDir, record.imageId);
  const created = new Date();
  const configFor = (diffId: DiffId | undefined) =>
    committedConfig(parent, { record, diffId, created, ...options });
  // A change that cannot be made is told before anything is written.
  configFor(undefined);
  const layer = await pausedIfAsked(engine, view, options, () => writeLayer(engine, view, options));
  return { parent, configFor, layer };
}

async function pausedIfAsked<T>(
  engine: Engine,
  { listing, isLive }: ContainerView,
  { pause }: CommitOptions,
  work: () => Promise<T>,
): Promise<T> {
  if (!pause || !isLive || listing.phase !== 'running') return work();
  const { pausedWhile } = await import('../runtime/paused-while.ts');
  const { findRunc } = await import('../runtime/runc-program.ts');
  const container = {
    runcPath: findRunc(engine.settings.runcPath),
    runtimeRoot: listing.run?.runtimeRoot ?? runtimeRoot(engine),
    containerId: listing.id,
  };
  return await pausedWhile(container, work);
}

/** A compressed layer in a file without a name; whoever gets it closes the file. */
interface NewLayer {
  readonly fd: number;
  readonly diffId: DiffId;
  readonly blob: Pick<Descriptor, 'digest' | 'size'>;
  /** Whether it changes nothing. */
  readonly isEmpty: boolean;
}

const CHUNK_BYTES = 1024 * 1024;
/** As `image import`: hardly larger than at level 6, and much faster. */
const GZIP_LEVEL = 3;
/** The end of a tar alone. */
const EMPTY_TAR_BYTES = 1024;

async function writeLayer(
  { settings }: Engine,
  { listing, upperFd, lowerFd }: ContainerView,
  { signal }: CommitOptions,
): Promise<NewLayer> {
  const mountPoints = containerMounts(listing.directory).map(({ destination }) => destination);
  const fd = openUnnamedFile(settings.dataDir);
  const tarHash = createHash('sha256');
  const blobHash = createHash('sha256');
  let tarBytes = 0;
  let size = 0;
  const source = async function* () {
    for await (const bytes of upperTar({ upperFd, lowerFd, mountPoints })) {
      tarHash.update(bytes);
      tarBytes += bytes.length;
      yield bytes;
    }
  };
  const sink = async (gzipped: AsyncIterable<Buffer>) => {
    for await (const bytes of gzipped) {
      blobHash.update(bytes);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      size += bytes.length;
    }
  };
  const gzip = createGzip({ level: GZIP_LEVEL, chunkSize: CHUNK_BYTES });
  try {
    await withStoreErrorsAsync('write the layer in', settings.dataDir, () =>
      pipeline(source, gzip, sink, signal === undefined ? {} : { signal }),
    );
  } catch (error) {
    closeSync(fd);
    signal?.throwIfAborted();
    throw error;
  }
  const digest = digestFromHash('sha256', blobHash.digest('hex'));
  const diffId = diffIdFromHash('sha256', tarHash.digest('hex'));
  return { fd, diffId, blob: { digest, size }, isEmpty: tarBytes === EMPTY_TAR_BYTES };
}

interface CommitSource {
  readonly parent: ParentImage;
  readonly committed: CommittedConfig;
  readonly layer: NewLayer;
  readonly reference: string | undefined;
}

/** The new image as a place that images come from; layers that it shares are in the store already. */
function commitTransport(engine: Engine, source: CommitSource): ImageTransport {
  const { parent, committed, layer, reference } = source;
  const { mediaType, config, layers } = parent.manifest;
  const layerType = mediaType === DOCKER_MANIFEST ? DOCKER_LAYER_GZIP : OCI_LAYER_GZIP;
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: {
        mediaType: config.mediaType,
        digest: digestOf(committed.bytes),
        size: committed.bytes.length,
      },
      layers: layer.isEmpty ? layers : [...layers, { mediaType: layerType, ...layer.blob }],
    }),
  );
  const top = { bytes, mediaType, digest: digestOf(bytes) };
  return {
    source: reference ?? 'the container',
    reference,
    headDigest: async () => undefined,
    top: async () => top,
    manifest: async () => top,
    smallBlob: async () => committed.bytes,
    blob: ({ digest, size }, offset) =>
      digest === layer.blob.digest
        ? readRange(layer.fd, offset, size)
        : openBlob(engine.settings.dataDir, digest),
    [Symbol.asyncDispose]: async () => {},
  };
}
