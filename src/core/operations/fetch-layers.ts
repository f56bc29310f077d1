/** All layers of an image, several at once. */
import type { DiffId } from '../oci/digest.ts';
import type { LayerIndex } from '../oci/layer-index.ts';
import type { OnProgress } from '../progress.ts';
import { fetchLayer, type WantedLayer } from './fetch-layer.ts';
import { verifiedPairs } from './image-state.ts';
import type { ImageTransport } from './image-transport.ts';
import type { ResolvedImage } from './resolve-manifest.ts';

/** What fetching the layers of an image needs besides the image. */
export interface LayersFetch {
  readonly dataDir: string;
  readonly transport: ImageTransport;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal;
}

// Inflating one layer is serial, so the layers go side by side; each one holds about 20 MiB of
// buffers, so not all hundred of them do.
const LAYERS_AT_ONCE = 6;

/**
 * Brings every layer of `image` into the store; a layer that is listed twice is transferred once.
 * The first failure cancels the others and is the error that is thrown.
 *
 * @returns the layer indexes that were made on the way, by diffID.
 */
export async function fetchLayers(
  image: ResolvedImage,
  { dataDir, transport, onProgress, signal }: LayersFetch,
): Promise<Map<DiffId, LayerIndex>> {
  const failure = new AbortController();
  const isPair = verifiedPairs(dataDir);
  const fetch = {
    dataDir,
    transport,
    isVerifiedPair: isPair,
    onProgress,
    signal: signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal]),
  };
  const indexes = new Map<DiffId, LayerIndex>();
  const queue = wantedLayers(image);
  const work = async (): Promise<void> => {
    for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
      fetch.signal.throwIfAborted();
      const { index } = await fetchLayer(layer, fetch);
      if (index !== undefined) indexes.set(layer.diffId, index);
    }
  };
  let first: { readonly error: unknown } | undefined;
  const guarded = async (): Promise<void> => {
    try {
      await work();
    } catch (error) {
      first ??= { error };
      failure.abort(error);
    }
  };
  await Promise.all(Array.from({ length: LAYERS_AT_ONCE }, guarded));
  if (first !== undefined) throw first.error;
  return indexes;
}

/** The largest first: the longest inflate decides when the image is there. */
function wantedLayers({ layers }: ResolvedImage): WantedLayer[] {
  const wanted = new Map<string, WantedLayer>();
  for (const [position, layer] of layers.entries()) {
    const label = `layer ${position + 1}/${layers.length} ${layer.descriptor.digest}`;
    wanted.set(`${layer.descriptor.digest} ${layer.diffId}`, { ...layer, label });
  }
  return [...wanted.values()].sort((a, b) => b.descriptor.size - a.descriptor.size);
}
