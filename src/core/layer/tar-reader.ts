/** The tar of a layer: bounded, hashed, parsed and recorded as it is inflated. */
import { createHash, type Hash } from 'node:crypto';
import { EngineError } from '../errors.ts';
import { algorithmOf, type DiffId, diffIdFromHash } from '../oci/digest.ts';
import type { LayerDataSink } from './data-sink.ts';
import { invalidLayer } from './layer-error.ts';
import { LayerRecorder, type RecordedLayer } from './layer-recorder.ts';
import { type LayerLimits, maxTarBytesOf } from './limits.ts';
import { TarParser } from './tar-parser.ts';

/** What is known of a layer before its tar is read. */
export interface ExpectedTar {
  readonly diffId: DiffId;
  /** Bytes of the blob that holds it. */
  readonly blobBytes: number;
  /** How errors name the layer. */
  readonly label: string;
}

/** Reads one tar. Holds no resource but memory. */
export class TarReader {
  readonly #expected: ExpectedTar;
  readonly #hash: Hash;
  readonly #recorder: LayerRecorder;
  readonly #parser: TarParser;
  readonly #maxBytes: number;
  #bytes = 0;

  /** @param sink gets the contents of the files. */
  constructor(expected: ExpectedTar, sink: LayerDataSink, limits: LayerLimits) {
    this.#expected = expected;
    this.#hash = createHash(algorithmOf(expected.diffId));
    this.#recorder = new LayerRecorder(sink, limits);
    this.#parser = new TarParser(this.#recorder);
    this.#maxBytes = maxTarBytesOf(expected.blobBytes, limits);
  }

  /**
   * Takes the next bytes; it does not keep them.
   *
   * @throws EngineError `LAYER_INVALID`, `LAYER_ENTRY_REJECTED`; whatever the sink throws.
   */
  take(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#maxBytes) {
      throw invalidLayer(
        `the ${this.#expected.blobBytes} bytes of the blob inflate to more than ${this.#maxBytes}`,
      );
    }
    this.#hash.update(bytes);
    this.#parser.push(bytes);
  }

  /**
   * Ends the tar and the sink. To be called once.
   *
   * @throws EngineError `LAYER_INVALID` for a truncated tar, `DIGEST_MISMATCH` with both diffIDs.
   */
  finish(): RecordedLayer {
    this.#parser.end();
    const { diffId, label } = this.#expected;
    const found = diffIdFromHash(algorithmOf(diffId), this.#hash.digest('hex'));
    if (found !== diffId) {
      throw new EngineError(
        'DIGEST_MISMATCH',
        `${label} does not inflate to the tar that the image config names: expected the diffID "${diffId}", found "${found}"`,
      );
    }
    return this.#recorder.finish();
  }
}
