/**
 * One layer, from the bytes of its blob to its layer index and layer data file, in one pass.
 *
 * Nothing is kept of what was read but the index; the blob, the tar and the data file stream by.
 * Hostile bytes are parsed here and nowhere else, by code that makes no host path of them.
 */
import { EngineError, type ErrorCode, quoteBytes } from '../errors.ts';
import type { DiffId, Digest } from '../oci/digest.ts';
import { DigestVerifier } from '../oci/digest-verifier.ts';
import type { LayerIndex } from '../oci/layer-index.ts';
import type { LayerCompression } from './compression.ts';
import type { LayerDataSink } from './data-sink.ts';
import type { RecordedLayer } from './layer-recorder.ts';
import { DEFAULT_LAYER_LIMITS, type LayerLimits } from './limits.ts';
import { TarReader } from './tar-reader.ts';
import { TarStage } from './tar-stage.ts';

/** What `ingestLayer` needs. */
export interface IngestOptions {
  /** The whole blob, from its first byte. Always consumed or returned. */
  readonly source: AsyncIterable<Buffer>;
  /** What the media type says; the first bytes decide (see `detectCompression`). */
  readonly compression: LayerCompression;
  readonly expected: { readonly digest: Digest; readonly size: number; readonly diffId: DiffId };
  readonly dataSink: LayerDataSink;
  /** How errors name the layer, such as `layer 2/4 sha256:…`. */
  readonly label: string;
  /** Gets the bytes of the blob that have been read so far. */
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
 * was written worth keeping. When it settles, nothing is being written any more.
 *
 * A blob that is not the expected one is reported as such, whatever else its bytes cause: after a
 * failure the rest of the source is still read and hashed.
 *
 * @throws EngineError `SIZE_MISMATCH`, `DIGEST_MISMATCH` (of the blob or the tar),
 *   `MEDIA_TYPE_UNSUPPORTED`, `LAYER_INVALID`, `LAYER_ENTRY_REJECTED`; SystemCallError when writing
 *   fails; the reason of `signal`; whatever `source` throws.
 */
export async function ingestLayer(options: IngestOptions): Promise<LayerIndex> {
  const blob = verifiedBlob(options);
  try {
    const { index, droppedXattrs } = await recordLayer(blob, options);
    for (const [xattrClass, count] of droppedXattrs) {
      const noun = count === 1 ? 'attribute' : 'attributes';
      options.onWarning?.(
        `${options.label}: ignored ${count} extended ${noun} ${quoteBytes(xattrClass)}`,
      );
    }
    return index;
  } catch (error) {
    if (!(error instanceof EngineError && CODES_OF_CONTENTS.has(error.code))) throw error;
    // Bytes that are not the expected ones explain whatever else is wrong with them.
    for await (const _ of blob);
    throw labelled(error, options.label);
  } finally {
    await blob.return();
    await options.dataSink.settle();
  }
}

/** What the contents of a blob can be accused of, once the blob itself is known to be right. */
const CODES_OF_CONTENTS: ReadonlySet<ErrorCode> = new Set([
  'LAYER_INVALID',
  'LAYER_ENTRY_REJECTED',
  'MEDIA_TYPE_UNSUPPORTED',
]);

/** Reads the tar in `blob`, which is left open when this fails. */
async function recordLayer(
  blob: AsyncGenerator<Buffer, void>,
  options: IngestOptions,
): Promise<RecordedLayer> {
  const { compression, dataSink, expected, label, signal } = options;
  const limits = { ...DEFAULT_LAYER_LIMITS, ...options.limits };
  const tar = new TarReader(
    { diffId: expected.diffId, blobBytes: expected.size, label },
    dataSink,
    limits,
  );
  using stage = new TarStage(compression, (bytes) => {
    signal?.throwIfAborted();
    tar.take(bytes);
    return dataSink.ready();
  });
  for (let next = await blob.next(); !next.done; next = await blob.next()) {
    await stage.write(next.value);
  }
  await stage.end();
  const recorded = tar.finish();
  await dataSink.flush();
  return recorded;
}

/** The blob's bytes, counted and hashed; throws after the last one if they are not right. */
async function* verifiedBlob(options: IngestOptions): AsyncGenerator<Buffer, void> {
  const { signal } = options;
  const verifier = new DigestVerifier(options.expected, options.label);
  for await (const chunk of options.source) {
    signal?.throwIfAborted();
    verifier.update(chunk);
    options.onBytes?.(verifier.bytesRead);
    yield chunk;
  }
  signal?.throwIfAborted();
  verifier.end();
}

function labelled(error: EngineError, label: string): EngineError {
  return new EngineError(error.code, `${label}: ${error.message}`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error.cause,
  });
}
