/** `image push`: an image of the store to a registry, byte for byte. */
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest, ImageId } from '../oci/digest.ts';
import { type ImageManifest, parseManifestDocument } from '../oci/image-manifest.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import { formatPlatform } from '../oci/platform.ts';
import { formatReference } from '../oci/reference.ts';
import type { OnProgress, OperationOptions } from '../progress.ts';
import { pullEndpoints } from '../registry/pull-endpoints.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import { readSmallBlob } from '../store/blob-store.ts';
import { Lease } from '../store/lease.ts';
import type { Engine } from './engine.ts';
import { mountSources } from './mount-sources.ts';
import { type PushedBlob, pushBlobs } from './push-blobs.ts';
import { type PushPlan, planPush } from './push-destination.ts';
import { connectRegistry, registriesConfOf } from './registry-connection.ts';

/** Options of `pushImage`. */
export interface PushOptions extends OperationOptions {
  /** A reference; the image's own name when absent. */
  readonly destination?: string;
  /**
   * Is called when the image is there, with a client that may push more beside it. What it throws is
   * the push's error.
   */
  readonly onPushed?: (image: PushedImage, client: RegistryClient) => Promise<void>;
}

/** An image that a registry has now. */
export interface PushedImage {
  readonly imageId: ImageId;
  /** Canonical, with the tag or digest that was pushed. */
  readonly reference: string;
  /** The repository at its registry, which registries.conf may have moved. */
  readonly registry: string;
  readonly repository: string;
  /** Of the manifest, as in the store. */
  readonly manifest: Descriptor;
  /** `REGISTRY/REPOSITORY@DIGEST`. */
  readonly pinnedReference: string;
  readonly blobs: readonly PushedBlob[];
}

/**
 * Pushes the image that `input` means. Manifest, config and layers go as the store has them, so that
 * their digests stay. What the registry has is not sent; the tag is put last.
 *
 * Of an image that came out of an index, the manifest of the fetched platform is pushed, with a
 * warning. The blobs cannot be collected meanwhile. Cancelled or failed, it leaves the tag at the
 * registry as it was.
 *
 * @throws EngineError those of `planPush` and of the registry client; `STORE_CORRUPT` when a blob is
 * missing or damaged; `REGISTRY_BLOCKED`, `CONFIG_INVALID`
 */
export async function pushImage(
  engine: Engine,
  input: string,
  options: PushOptions = {},
): Promise<PushedImage> {
  const { signal, onProgress = () => {} } = options;
  const waiting = signal === undefined ? {} : { signal };
  const { dataDir } = engine.settings;
  const records = engine.store.readReferences();
  const plan = planPush(records, input, options.destination);
  const { record, destination } = plan;
  using lease = Lease.open(dataDir);
  await lease.hold([record.manifest.digest, record.imageId], waiting);
  const bytes = readSmallBlob(dataDir, record.manifest.digest, MAX_DOCUMENT_BYTES);
  const blobs = blobsOf(readManifest(bytes, record.manifest));
  await lease.hold(blobs.keys(), waiting);
  const place = await placeOf(engine, plan);
  await using client = connectRegistry(place.registry, engine.settings, {
    isInsecure: place.isInsecure,
    onProgress,
  });
  const name = formatReference(destination);
  announce(plan, { name, registry: place.registry, blobs }, onProgress);
  const pushed = await pushBlobs([...blobs.values()], {
    dataDir,
    client,
    repository: place.repository,
    mountFrom: mountSources(dataDir, records, { record, ...place }),
    onProgress,
    ...waiting,
  });
  const manifest = { bytes, mediaType: record.manifest.mediaType, ...waiting };
  await client.pushManifest(place.repository, plan.tagOrDigest, manifest);
  const { registry, repository } = destination;
  const image = {
    imageId: record.imageId,
    reference: name,
    registry: place.registry,
    repository: place.repository,
    manifest: record.manifest,
    pinnedReference: `${registry}/${repository}@${record.manifest.digest}`,
    blobs: pushed,
  };
  await options.onPushed?.(image, client);
  return image;
}

/** The registry itself: mirrors are not written to. */
async function placeOf({ settings }: Engine, { destination }: PushPlan) {
  const endpoints = pullEndpoints(destination, await registriesConfOf(settings));
  return endpoints.at(-1) ?? endpoints[0];
}

function readManifest(bytes: Buffer, { digest, mediaType }: Descriptor): ImageManifest {
  const document = parseManifestDocument(bytes, mediaType, `manifest ${digest}`);
  if (document.kind === 'manifest') return document.manifest;
  throw new EngineError('STORE_CORRUPT', `manifest ${digest} is an index; expected an image's own`);
}

/** The largest first: it decides when the image is there. */
function blobsOf({ config, layers }: ImageManifest): ReadonlyMap<Digest, Descriptor> {
  const sorted = [config, ...layers].sort((a, b) => b.size - a.size);
  return new Map(sorted.map((blob) => [blob.digest, blob]));
}

function announce(
  { record }: PushPlan,
  target: {
    readonly name: string;
    readonly registry: string;
    readonly blobs: ReadonlyMap<Digest, Descriptor>;
  },
  onProgress: OnProgress,
): void {
  const { name, registry, blobs } = target;
  const { resolvedDigest, manifest, platform, reference } = record;
  onProgress({
    type: 'pushing',
    reference: name,
    registry,
    blobs: [...blobs.values()].map(({ digest, size }) => ({ digest, sizeBytes: size })),
  });
  if (resolvedDigest === undefined || resolvedDigest === manifest.digest) return;
  const which = platform === undefined ? 'one platform' : formatPlatform(platform);
  const message = `only the image for ${which} is pushed: it is what was fetched of the index ${resolvedDigest}${reference === undefined ? '' : ` behind ${quote(reference)}`}`;
  onProgress({ type: 'warning', message });
}
