/** What is known of a fetch or a push under way: progress events folded into one value per blob. */
import type { ProgressEvent } from '../core/progress.ts';

/** Where one layer is. */
export type LayerPhase =
  | 'pending'
  | 'transferring'
  | 'waiting'
  | 'indexing'
  | 'done'
  | 'reused'
  | 'existing'
  | 'mounted';

/** One layer of the image that is being fetched, or one blob of an image that is being pushed. */
export interface LayerProgress {
  readonly digest: string;
  readonly totalBytes: number;
  transferredBytes: number;
  phase: LayerPhase;
  /** Bytes per second, smoothed; undefined until it can be told. */
  rate: number | undefined;
  /** Where the rate was last taken. */
  sample: { readonly timeMs: number; readonly bytes: number } | undefined;
}

// Often enough to look alive, seldom enough for the network's bursts to even out.
const SAMPLE_MS = 250;
const WEIGHT_OF_NEWEST = 0.3;

/** The layers of one image, in manifest order. */
export class FetchProgress {
  readonly layers = new Map<string, LayerProgress>();

  /** Takes an event in; `nowMs` is any clock that only goes forward. */
  apply(event: ProgressEvent, nowMs: number): void {
    if (event.type === 'resolving') this.layers.clear();
    if (event.type === 'resolved') this.#begin(event.layers);
    if (event.type === 'pushing') this.#begin(event.blobs);
    if (!('digest' in event)) return;
    const layer = this.layers.get(event.digest);
    if (layer === undefined) return;
    if (event.type === 'layer-transfer') {
      layer.phase = 'transferring';
      layer.transferredBytes = event.transferredBytes;
      takeRate(layer, nowMs);
    }
    if (event.type === 'layer-indexing') layer.phase = 'indexing';
    if (event.type === 'layer-waiting') layer.phase = 'waiting';
    if (event.type === 'blob-pushed') {
      layer.phase = event.outcome === 'uploaded' ? 'done' : event.outcome;
    }
    if (event.type === 'layer-done') layer.phase = event.reused ? 'reused' : 'done';
  }

  #begin(layers: readonly { readonly digest: string; readonly sizeBytes: number }[]): void {
    this.layers.clear();
    for (const { digest, sizeBytes } of layers) {
      this.layers.set(digest, {
        digest,
        totalBytes: sizeBytes,
        transferredBytes: 0,
        phase: 'pending',
        rate: undefined,
        sample: undefined,
      });
    }
  }
}

function takeRate(layer: LayerProgress, nowMs: number): void {
  const { sample } = layer;
  const elapsedMs = nowMs - (sample?.timeMs ?? nowMs);
  if (sample !== undefined && elapsedMs < SAMPLE_MS) return;
  if (sample !== undefined) {
    const newest = ((layer.transferredBytes - sample.bytes) / elapsedMs) * 1000;
    const older = layer.rate ?? newest;
    layer.rate = older + (newest - older) * WEIGHT_OF_NEWEST;
  }
  layer.sample = { timeMs: nowMs, bytes: layer.transferredBytes };
}
