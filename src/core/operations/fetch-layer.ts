/** One layer from its source into the store, in one pass: transfer, verify, inflate, index, write. */
import { EngineError, type ErrorCode } from '../errors.ts';
import { readRange } from '../host/read-range.ts';
import { fileDataSink } from '../layer/data-sink.ts';
import { type IngestOptions, ingestLayer } from '../layer/ingest-layer.ts';
import type { ImageLayer } from '../oci/image-config.ts';
import type { LayerIndex } from '../oci/layer-index.ts';
import { layerCompression } from '../oci/media-type.ts';
import type { OnProgress } from '../progress.ts';
import { hasBlob, openBlob, removeBlob } from '../store/blob-store.ts';
import { hasLayer, LayerIngest } from '../store/ingest.ts';
import { withStoreErrorsAsync } from '../store/store-error.ts';
import { spooled } from './blob-spool.ts';
import type { ImageTransport } from './image-transport.ts';

/** A layer of the image that is being fetched. */
export interface WantedLayer extends ImageLayer {
  /** How errors name it, such as `layer 2/4 sha256:…`. */
  readonly label: string;
}

/** What fetching one layer needs besides the layer. */
export interface LayerFetch {
  readonly dataDir: string;
  readonly transport: ImageTransport;
  /** Whether the store has verified before that this blob inflates to this diffID. */
  isVerifiedPair(layer: WantedLayer): boolean;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/** The bytes that came are not those that were asked for. */
const TRANSFER_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SIZE_MISMATCH',
  'DIGEST_MISMATCH',
]);

/** The bytes themselves were wrong, not their transport. */
const CONTENT_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...TRANSFER_ERRORS,
  'LAYER_INVALID',
  'LAYER_ENTRY_REJECTED',
  'MEDIA_TYPE_UNSUPPORTED',
]);

/** A layer that is in the store now. `index` is there when it was made just now. */
export interface FetchedLayer {
  readonly layer: WantedLayer;
  readonly index: LayerIndex | undefined;
}

/**
 * Brings one layer into the store. Idempotent; when another process transfers the same blob, waits
 * for it and uses what it stored. A failure leaves at most the bytes that arrived, in `ingest/`, and
 * the next attempt goes on from there.
 *
 * @throws EngineError `SIZE_MISMATCH`, `DIGEST_MISMATCH`, `LAYER_INVALID`, `LAYER_ENTRY_REJECTED`,
 *   `MEDIA_TYPE_UNSUPPORTED`, and those of the transport
 */
export async function fetchLayer(layer: WantedLayer, fetch: LayerFetch): Promise<FetchedLayer> {
  // Looked at before anything is transferred: an unknown media type must cost nothing.
  layerCompression(layer.descriptor.mediaType, layer.label);
  try {
    return await attemptLayer(layer, fetch);
  } catch (error) {
    // Bytes kept from an earlier attempt, or a proxy on the way, may have been wrong. Once more.
    if (!(error instanceof EngineError) || !TRANSFER_ERRORS.has(error.code)) throw error;
    return attemptLayer(layer, fetch);
  }
}

async function attemptLayer(layer: WantedLayer, fetch: LayerFetch): Promise<FetchedLayer> {
  const { digest } = layer.descriptor;
  if (isComplete(layer, fetch)) return reuse(layer, fetch);
  await using ingest = await LayerIngest.begin(fetch.dataDir, digest, {
    signal: fetch.signal,
    onWait: () => fetch.onProgress({ type: 'layer-waiting', digest }),
  });
  if (isComplete(layer, fetch)) return reuse(layer, fetch);
  const isBlobHere = hasBlob(fetch.dataDir, digest);
  const source = isBlobHere ? openBlob(fetch.dataDir, digest) : transferred(layer, fetch, ingest);
  try {
    const index = await storeLayer(layer, ingest, { ...fetch, source, isBlobHere });
    fetch.onProgress({ type: 'layer-done', digest, reused: isBlobHere });
    return { layer, index };
  } catch (error) {
    // These bytes will never be right, so no later attempt may go on from them.
    if (error instanceof EngineError && CONTENT_ERRORS.has(error.code)) {
      if (isBlobHere) removeBlob(fetch.dataDir, digest);
      ingest.discard();
    }
    throw error;
  }
}

/** How `storeLayer` gets its bytes. */
export interface LayerSource {
  /** The whole blob, from its first byte; what comes is in the ingest's `blobFd`, unless it is here. */
  readonly source: AsyncIterable<Buffer>;
  /** The bytes come from the store's own blob, so they are not written again. */
  readonly isBlobHere: boolean;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal;
}

/** Verifies a layer's bytes, indexes them and puts all its files into the store. */
export async function storeLayer(
  layer: WantedLayer,
  ingest: LayerIngest,
  { source, isBlobHere, onProgress, signal }: LayerSource,
): Promise<LayerIndex> {
  const { digest, size, mediaType } = layer.descriptor;
  const request: IngestOptions = {
    source,
    compression: layerCompression(mediaType, layer.label),
    expected: { digest, size, diffId: layer.diffId },
    dataSink: fileDataSink(ingest.dataFd),
    label: layer.label,
    onBytes: (transferredBytes) =>
      onProgress({ type: 'layer-transfer', digest, transferredBytes, totalBytes: size }),
    onWarning: (message) => onProgress({ type: 'warning', message }),
    ...(signal === undefined ? {} : { signal }),
  };
  const index = await withStoreErrorsAsync('store', layer.label, () => ingestLayer(request));
  onProgress({ type: 'layer-indexing', digest });
  await ingest.commit({ diffId: layer.diffId, index: index.encode(), keepBlob: !isBlobHere });
  return index;
}

/**
 * Both the blob and what was derived from it are here, and it was dray that saw the one become the
 * other: a manifest's claim that a blob holds some diffID is never believed.
 */
function isComplete(layer: WantedLayer, fetch: LayerFetch): boolean {
  return (
    hasLayer(fetch.dataDir, layer.diffId) &&
    hasBlob(fetch.dataDir, layer.descriptor.digest) &&
    fetch.isVerifiedPair(layer)
  );
}

function reuse(layer: WantedLayer, fetch: LayerFetch): FetchedLayer {
  fetch.onProgress({ type: 'layer-done', digest: layer.descriptor.digest, reused: true });
  return { layer, index: undefined };
}

/** The bytes that an earlier attempt kept, then the rest from the source, which goes to them. */
function transferred(
  { descriptor }: WantedLayer,
  { transport, signal }: LayerFetch,
  { blobFd, keptBytes }: LayerIngest,
): AsyncIterable<Buffer> {
  if (keptBytes >= descriptor.size) return readRange(blobFd, 0, keptBytes);
  const source = (until: AbortSignal): AsyncIterable<Buffer> =>
    transport.blob(descriptor, keptBytes, until);
  return spooled({ fd: blobFd, keptBytes, source, signal });
}
