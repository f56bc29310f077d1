/**
 * One layer, from the bytes of its blob to its layer index and layer data file, in one pass.
 *
 * Nothing is kept of what was read but the index; the blob, the tar and the data file stream by.
 * Hostile bytes are parsed here and nowhere else, by code that makes no host path of them.
 */
import { createHash } from 'node:crypto';
import { EngineError } from '../errors.ts';
import { algorithmOf, type DiffId, type Digest, diffIdFromHash } from '../oci/digest.ts';
import { DigestVerifier } from '../oci/digest-verifier.ts';
import type { LayerIndex } from '../oci/layer-index.ts';
import type { LayerCompression } from './compression.ts';
import { type LayerDataSink, writeFully } from './data-sink.ts';
import { invalidLayer } from './layer-error.ts';
import { LayerRecorder } from './layer-recorder.ts';
import { DEFAULT_LAYER_LIMITS, type LayerLimits, maxTarBytesOf } from './limits.ts';
import { TarParser } from './tar-parser.ts';
import { TarStage } from './tar-stage.ts';

/** What `ingestLayer` needs. */
export interface IngestOptions {
  /** The whole blob, from its first byte. Always consumed or returned. */
  readonly source: AsyncIterable<Buffer>;
  /** What the media type says; the first bytes decide (see `detectCompression`). */
  readonly compression: LayerCompression;
  readonly expected: { readonly digest: Digest; readonly size: number; readonly diffId: DiffId };
  /** Where the blob is written as it arrives; stays the caller's. Absent: it is here already. */
  readonly blobFd?: number;
  /** Bytes of the blob that `blobFd` already holds: they are read from `source`, not written. */
  readonly blobFdOffset?: number;
  readonly dataSink: LayerDataSink;
  /** How errors name the layer, such as `layer 2/4 sha256:…`. */
  readonly label: string;
  /** Gets the bytes of the blob that have arrived so far. */
  readonly onBytes?: (transferredBytes: number) => void;
  /** Gets one sentence for each kind of thing that was accepted and ignored. */
  readonly onWarning?: (message: string) => void;
  /** Looked at between chunks; whoever makes `source` must end it too. */
  readonly signal?: AbortSignal;
  readonly limits?: Partial<LayerLimits>;
}

/**
 * Reads a layer: checks size and digest of the blob and the diffID of its tar, parses the tar, and
 * writes file contents to `dataSink`. Nothing is synced. Only when this resolves is anything that
 * was written worth keeping; if it throws, the blob's bytes up to `onBytes` are what was received.
 *
 * A blob that is not the expected one is reported as such, whatever else its bytes cause: after a
 * failure the rest of the source is still read and hashed.
 *
 * @throws EngineError `SIZE_MISMATCH`, `DIGEST_MISMATCH` (of the blob or the tar),
 *   `MEDIA_TYPE_UNSUPPORTED`, `LAYER_INVALID`, `LAYER_ENTRY_REJECTED`; SystemCallError when writing
 *   fails; the reason of `signal`; whatever `source` throws.
 */
export async function ingestLayer(options: IngestOptions): Promise<LayerIndex> {
  const tar = new TarReader(options);
  using stage = new TarStage(options.compression, (bytes) => tar.take(bytes));
  let failure: { readonly error: unknown } | undefined;
  const attempt = async (step: () => Promise<void>): Promise<void> => {
    if (failure !== undefined) return;
    try {
      await step();
    } catch (error) {
      if (!(error instanceof EngineError) || error.code === 'HOST_CALL_FAILED') throw error;
      failure = { error: labelled(error, options.label) };
      stage[Symbol.dispose]();
    }
  };
  for await (const chunk of verifiedBlob(options)) await attempt(() => stage.write(chunk));
  await attempt(() => stage.end());
  if (failure !== undefined) throw failure.error;
  return tar.finish();
}

/** The blob's bytes, counted, stored and hashed; throws after the last one if they are not right. */
async function* verifiedBlob(options: IngestOptions): AsyncGenerator<Buffer> {
  const { blobFd, blobFdOffset = 0, signal } = options;
  const verifier = new DigestVerifier(options.expected, options.label);
  for await (const chunk of options.source) {
    signal?.throwIfAborted();
    const position = verifier.bytesRead;
    verifier.update(chunk);
    if (blobFd !== undefined && position + chunk.length > blobFdOffset) {
      const known = Math.max(blobFdOffset - position, 0);
      writeFully(blobFd, chunk.subarray(known), position + known);
    }
    options.onBytes?.(verifier.bytesRead);
    yield chunk;
  }
  signal?.throwIfAborted();
  verifier.end();
}

/** Hashes, bounds and parses the tar. */
class TarReader {
  readonly #options: IngestOptions;
  readonly #hash;
  readonly #recorder: LayerRecorder;
  readonly #parser: TarParser;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(options: IngestOptions) {
    const limits = { ...DEFAULT_LAYER_LIMITS, ...options.limits };
    this.#options = options;
    this.#hash = createHash(algorithmOf(options.expected.diffId));
    this.#recorder = new LayerRecorder(options.dataSink, limits);
    this.#parser = new TarParser(this.#recorder);
    this.#maxBytes = maxTarBytesOf(options.expected.size, limits);
  }

  take(bytes: Buffer): void {
    this.#options.signal?.throwIfAborted();
    this.#bytes += bytes.length;
    if (this.#bytes > this.#maxBytes) {
      throw invalidLayer(
        `its ${this.#options.expected.size} bytes inflate to more than ${this.#maxBytes} bytes`,
      );
    }
    this.#hash.update(bytes);
    this.#parser.push(bytes);
  }

  finish(): LayerIndex {
    const { expected, label, onWarning } = this.#options;
    const found = diffIdFromHash(algorithmOf(expected.diffId), this.#hash.digest('hex'));
    if (found !== expected.diffId) {
      throw new EngineError(
        'DIGEST_MISMATCH',
        `${label} does not inflate to the tar that the image config says: expected the diffID "${expected.diffId}", found "${found}"`,
      );
    }
    this.#parser.end();
    const { index, droppedXattrs } = this.#recorder.finish();
    for (const [xattrClass, count] of droppedXattrs) {
      onWarning?.(`${label}: ignored ${count} extended attributes ${xattrClass}`);
    }
    return index;
  }
}

function labelled(error: EngineError, label: string): EngineError {
  return new EngineError(error.code, `${label}: ${error.message}`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error.cause,
  });
}
