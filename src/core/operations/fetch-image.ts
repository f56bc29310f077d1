/** `fetch`: bring an image into the store, from wherever it comes. */

import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { DiffId, Digest, ImageId } from '../oci/digest.ts';
import { chainIdOf } from '../oci/digest.ts';
import { type ImageSource, parseImageSource } from '../oci/image-source.ts';
import { hostPlatform, type Platform } from '../oci/platform.ts';
import type { PullPolicy } from '../oci/pull-policy.ts';
import { formatReference, isShortName, type Reference } from '../oci/reference.ts';
import type { OnProgress, OperationOptions } from '../progress.ts';
import { putSmallBlob } from '../store/blob-store.ts';
import type { ImageRecord } from '../store/image-store.ts';
import { Lease } from '../store/lease.ts';
import { transferSmallBlob } from '../store/small-blob-transfer.ts';
import { storeAssembled } from './assemble-image.ts';
import type { Engine } from './engine.ts';
import { fetchLayers } from './fetch-layers.ts';
import { isImageComplete } from './image-content.ts';
import { isForPlatform } from './image-state.ts';
import { type ImageTransport, openTransport } from './image-transport.ts';
import { type ResolvedImage, resolveManifest } from './resolve-manifest.ts';
import { trustOf } from './trust-gate.ts';
import type { ImageTrust, TrustOptions } from './trust-options.ts';

/** Options of `fetchImage`. */
export interface FetchOptions extends TrustOptions {
  readonly pullPolicy: PullPolicy;
  readonly platform?: Platform;
}

/** An image that is in the store now. */
export interface FetchedImage {
  readonly imageId: ImageId;
  readonly reference: string | undefined;
  /** Whether this call changed the store. */
  readonly changed: boolean;
}

/**
 * Brings the image that `source` names into the store: a reference, or `oci:DIR[:TAG]`,
 * `oci-archive:FILE`, `docker-archive:FILE`.
 *
 * A name without a registry means what the host's registries.conf says, and docker.io where it says
 * nothing; the image gets the name that was found.
 *
 * Files are read whatever the pull policy, since that takes no network; an image that they gave before
 * and that is still whole is not read again.
 *
 * Every byte is verified before it gets a digest's name; the reference is written last. Cancelled or
 * killed, it leaves the store as it was, plus the bytes that arrived, from which the next attempt
 * goes on. Several processes may fetch the same image: each blob is transferred once.
 *
 * Signatures that the policy asks for are verified after the manifest and before all else, so that a
 * refused image leaves nothing in the store. Files are not asked for signatures.
 *
 * @throws EngineError of almost every code but those of containers
 */
export async function fetchImage(
  engine: Engine,
  source: string,
  options: FetchOptions,
): Promise<FetchedImage> {
  const parsed = parseImageSource(source);
  if (parsed.kind === 'registry' && isShortName(source)) {
    return fetchShortName(engine, parsed.reference, { source, ...options });
  }
  return fetchSource(engine, parsed, { source, ...options });
}

/** What the user typed, beside the options. */
interface SourceOptions extends FetchOptions {
  readonly source: string;
}

/**
 * The image of a name without a registry. Where its name at docker.io, or what else the name may
 * mean, is in the store, that is the image unless the policy is to look for a newer one.
 */
async function fetchShortName(
  engine: Engine,
  atDockerHub: Reference,
  options: SourceOptions,
): Promise<FetchedImage> {
  const { pullPolicy, platform, source } = options;
  const isStored = (reference: Reference): boolean =>
    pullPolicy !== 'update' &&
    findComplete(engine, { reference: formatReference(reference), platform }) !== undefined;
  const fetchStored = (reference: Reference): Promise<FetchedImage> =>
    fetchSource(engine, { kind: 'registry', reference }, options);
  if (isStored(atDockerHub)) return fetchStored(atDockerHub);
  const { candidatesOf, fetchFirst } = await import('./search-registries.ts');
  const candidates = await candidatesOf(source, engine.settings);
  const known = candidates.find(isStored);
  if (known !== undefined) return fetchStored(known);
  if (pullPolicy === 'never') throw notInStore(source);
  return fetchFirst(candidates, options, (reference, onProgress) => {
    const name = formatReference(reference);
    return fetchSource(
      engine,
      { kind: 'registry', reference },
      { ...options, source: name, onProgress },
    );
  });
}

async function fetchSource(
  engine: Engine,
  parsed: ImageSource,
  options: SourceOptions,
): Promise<FetchedImage> {
  const { platform, source } = options;
  const named = parsed.kind === 'registry' ? formatReference(parsed.reference) : undefined;
  const trust =
    parsed.kind === 'registry'
      ? await trustOf(engine.settings, parsed.reference, options)
      : undefined;
  const existing =
    named === undefined ? undefined : findComplete(engine, { reference: named, platform });
  if (existing !== undefined && options.pullPolicy !== 'update') {
    return kept(engine, existing, { ...options, trust });
  }
  if (named !== undefined && options.pullPolicy === 'never') throw notInStore(source);
  await using transport = await openTransport(parsed, engine.settings, options);
  options.onProgress?.({ type: 'resolving', reference: source, source: transport.source });
  // Awaited here: the transport must stay open until the transfer has ended.
  if (named === undefined) return await fetchFromFiles(engine, transport, options);
  if (existing !== undefined && (await isUpToDate(parsed, existing, transport))) {
    return await kept(engine, existing, { ...options, trust });
  }
  return await transfer(engine, transport, { ...options, trust });
}

function notInStore(source: string): EngineError {
  return new EngineError('IMAGE_NOT_FOUND', `the image ${quote(source)} is not in the store`, {
    hint: `Run "dray fetch ${source}" first, or use another pull policy.`,
  });
}

/** Options of `fetchFromFiles`. */
export interface TransferOptions extends OperationOptions {
  readonly platform?: Platform;
  /** How progress names the image when it has no reference. */
  readonly source: string;
}

/**
 * Brings the image that files hold into the store, unless they gave it before and it is still whole.
 * The transport stays the caller's.
 *
 * @throws EngineError as `fetchImage`, but for those of registries
 */
export async function fetchFromFiles(
  engine: Engine,
  transport: ImageTransport,
  options: TransferOptions,
): Promise<FetchedImage> {
  const current = await findCurrent(engine, transport, options.platform);
  if (current !== undefined) return unchanged(current);
  return transfer(engine, transport, { ...options, isFromFile: true });
}

interface WantedRecord {
  readonly reference: string | undefined;
  /** What the reference must have pointed to. */
  readonly resolvedDigest?: Digest;
  readonly platform: Platform | undefined;
}

function findComplete(engine: Engine, wanted: WantedRecord): ImageRecord | undefined {
  const { reference, resolvedDigest, platform } = wanted;
  return engine.store
    .readReferences()
    .find(
      (record) =>
        record.reference === reference &&
        (resolvedDigest === undefined || record.resolvedDigest === resolvedDigest) &&
        (platform === undefined || isForPlatform(record, platform)) &&
        isImageComplete(engine.settings.dataDir, record),
    );
}

/** The image that files hold, if they gave it before: only they say what they call it. */
async function findCurrent(
  engine: Engine,
  transport: ImageTransport,
  platform: Platform | undefined,
): Promise<ImageRecord | undefined> {
  const resolvedDigest = await transport.headDigest();
  if (resolvedDigest === undefined) return undefined;
  const { reference } = transport;
  return findComplete(engine, { reference, resolvedDigest, platform });
}

/** A digest never moves; a tag is asked for with one HEAD. */
async function isUpToDate(
  source: ImageSource,
  existing: ImageRecord,
  transport: ImageTransport,
): Promise<boolean> {
  if (source.kind === 'registry' && source.reference.digest !== undefined) return true;
  const head = await transport.headDigest();
  return head !== undefined && head === existing.resolvedDigest;
}

/** An image that stays as it is, once it has the signatures that the policy asks for by now. */
async function kept(
  engine: Engine,
  record: ImageRecord,
  options: FetchOptions & { readonly trust: ImageTrust | undefined },
): Promise<FetchedImage> {
  const { trust } = options;
  if (trust !== undefined && !trust.isMetBy(record)) {
    const { verifyStored } = await import('./image-trust.ts');
    const mayAsk = options.pullPolicy !== 'never';
    await verifyStored(engine, record, { ...options, trust, mayAsk });
  }
  return unchanged(record);
}

function unchanged(record: ImageRecord): FetchedImage {
  return { imageId: record.imageId, reference: record.reference, changed: false };
}

/** What a transfer asks of its image and notes about it. */
interface TransferContext extends TransferOptions {
  readonly trust?: ImageTrust | undefined;
  readonly isFromFile?: true;
}

async function transfer(
  engine: Engine,
  transport: ImageTransport,
  options: TransferContext,
): Promise<FetchedImage> {
  const { dataDir } = engine.settings;
  const onProgress: OnProgress = options.onProgress ?? (() => {});
  const waiting = options.signal === undefined ? {} : { signal: options.signal };
  using lease = Lease.open(dataDir);
  const smallBlob = async (descriptor: Descriptor, maxBytes: number): Promise<Buffer> => {
    const { digest } = descriptor;
    await lease.hold([digest], waiting);
    const fromSource = () => transport.smallBlob(descriptor, maxBytes);
    return transferSmallBlob(dataDir, { digest, maxBytes, transfer: fromSource, ...waiting });
  };
  let verified: ImageRecord['verified'];
  const image = await resolveManifest(
    { ...transport, smallBlob },
    {
      onProgress,
      ...(options.platform === undefined ? {} : { platform: options.platform }),
      accept: async (top, manifest) => {
        verified = await options.trust?.verify([top, manifest]);
      },
    },
  );
  await lease.hold(digestsOf(image), waiting);
  const reference = transport.reference;
  onProgress({ type: 'resolved', reference: reference ?? options.source, layers: distinct(image) });
  const indexes = await fetchLayers(image, {
    dataDir,
    transport,
    onProgress,
    ...waiting,
  });
  options.signal?.throwIfAborted();
  onProgress({ type: 'merging', reference: reference ?? options.source });
  putSmallBlob(dataDir, image.manifestBytes);
  const stored = { ...image, imageId: image.manifest.config.digest };
  storeAssembled(dataDir, stored, { known: indexes, onProgress });
  const record = {
    ...recordOf(image, reference, options.platform),
    ...(verified === undefined ? {} : { verified }),
    ...(options.isFromFile === undefined ? {} : { isFromFile: options.isFromFile }),
  };
  await engine.store.putReference(record, waiting);
  return { imageId: stored.imageId, reference, changed: true };
}

function recordOf(
  image: ResolvedImage,
  reference: string | undefined,
  asked: Platform | undefined,
): ImageRecord {
  const { os, architecture, variant } = image.config;
  const fallback = asked?.variant ?? hostPlatform().variant;
  return {
    ...(reference === undefined ? {} : { reference }),
    manifest: image.manifestDescriptor,
    imageId: image.manifest.config.digest,
    importedAt: new Date().toISOString(),
    resolvedDigest: image.resolvedDigest,
    platform: {
      os,
      architecture,
      ...(variant === undefined
        ? fallback === undefined
          ? {}
          : { variant: fallback }
        : { variant }),
    },
  };
}

function digestsOf(image: ResolvedImage): (Digest | DiffId | ReturnType<typeof chainIdOf>)[] {
  const diffIds = image.config.rootfs.diff_ids;
  return [
    image.manifestDescriptor.digest,
    image.manifest.config.digest,
    ...image.manifest.layers.map((layer) => layer.digest),
    ...diffIds,
    chainIdOf(diffIds),
  ];
}

function distinct(image: ResolvedImage) {
  const layers = new Map(image.manifest.layers.map((layer) => [layer.digest, layer.size]));
  return [...layers].map(([digest, sizeBytes]) => ({ digest, sizeBytes }));
}
