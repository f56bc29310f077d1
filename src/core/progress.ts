/**
 * What the engine reports while it works. The engine never prints: `cli` turns these events into a
 * progress bar, plain lines, or nothing. Strings from outside are data; whoever prints escapes them.
 */
import type { Digest } from './oci/digest.ts';

/** One thing that happened. Sizes are bytes. */
export type ProgressEvent =
  /** A reference is being looked up at its source (a registry host or a file). */
  | { readonly type: 'resolving'; readonly reference: string; readonly source: string }
  /** The manifest is known: these are the distinct layers and their compressed sizes. */
  | {
      readonly type: 'resolved';
      readonly reference: string;
      readonly layers: readonly { readonly digest: Digest; readonly sizeBytes: number }[];
    }
  /** Bytes of a layer have arrived (compressed, counted from the start of the blob). */
  | {
      readonly type: 'layer-transfer';
      readonly digest: Digest;
      readonly transferredBytes: number;
      readonly totalBytes: number;
    }
  /** All bytes of a layer are here; the rest of its index is being written. */
  | { readonly type: 'layer-indexing'; readonly digest: Digest }
  /** A layer is complete in the store; `reused` when nothing had to be transferred for it. */
  | { readonly type: 'layer-done'; readonly digest: Digest; readonly reused: boolean }
  /** Another process is transferring this layer; this one waits for it. */
  | { readonly type: 'layer-waiting'; readonly digest: Digest }
  /** The layers are being merged into the root file system of the image. */
  | { readonly type: 'merging'; readonly reference: string }
  /** An image is going to a registry: these are its distinct blobs. `layer-transfer` tells how far. */
  | {
      readonly type: 'pushing';
      readonly reference: string;
      readonly registry: string;
      readonly blobs: readonly { readonly digest: Digest; readonly sizeBytes: number }[];
    }
  /** The registry has a blob: it had it before, took it from another repository, or got its bytes. */
  | {
      readonly type: 'blob-pushed';
      readonly digest: Digest;
      readonly outcome: 'existing' | 'mounted' | 'uploaded';
    }
  /** A request failed in a way that may pass; it will be sent again after `delayMs`. */
  | {
      readonly type: 'retrying';
      readonly host: string;
      readonly reason: string;
      /** The attempt that follows, from 2, and how many there are at most. */
      readonly attempt: number;
      readonly attempts: number;
      readonly delayMs: number;
    }
  /** Something was accepted and ignored, or needs the user's eye. One sentence. */
  | { readonly type: 'warning'; readonly message: string };

/** Receives progress; must not throw. */
export type OnProgress = (event: ProgressEvent) => void;

/** Options that every long operation takes. */
export interface OperationOptions {
  /** Aborts the operation; the store stays valid. */
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}
