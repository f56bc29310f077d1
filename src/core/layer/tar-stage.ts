/** From compressed bytes to tar bytes, after a look at what they are. */
import { DETECTION_BYTES, detectCompression, type LayerCompression } from './compression.ts';
import { Decompressor, type OnBytes } from './decompressor.ts';

/** Detects the compression of a blob and hands its tar on. */
export class TarStage implements Disposable {
  readonly #declared: LayerCompression;
  readonly #onTar: OnBytes;
  #head: Buffer = Buffer.alloc(0);
  #compression: LayerCompression | undefined;
  #decompressor: Decompressor | undefined;

  /**
   * @param declared what the media type says.
   * @param onTar gets the bytes of the tar in order; what it throws, `write` or `end` throws.
   */
  constructor(declared: LayerCompression, onTar: OnBytes) {
    this.#declared = declared;
    this.#onTar = onTar;
  }

  /**
   * Takes the next bytes of the blob, which must not change afterwards. Resolves when more are
   * welcome. One call at a time.
   *
   * @throws EngineError `MEDIA_TYPE_UNSUPPORTED`, `LAYER_INVALID`, or what `onTar` threw.
   */
  async write(bytes: Buffer): Promise<void> {
    if (this.#compression !== undefined) return this.#pass(bytes);
    this.#head = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes]);
    if (this.#head.length >= DETECTION_BYTES) await this.#detect();
  }

  /** Says that the blob has no more bytes; resolves when `onTar` has seen all. Throws as `write`. */
  async end(): Promise<void> {
    if (this.#compression === undefined) await this.#detect();
    await this.#decompressor?.end();
  }

  /** Stops at once. Idempotent. */
  [Symbol.dispose](): void {
    this.#decompressor?.[Symbol.dispose]();
  }

  async #detect(): Promise<void> {
    const head = this.#head;
    this.#head = Buffer.alloc(0);
    this.#compression = detectCompression(head, this.#declared);
    if (this.#compression !== 'none') {
      this.#decompressor = new Decompressor(this.#compression, this.#onTar);
    }
    await this.#pass(head);
  }

  async #pass(bytes: Buffer): Promise<void> {
    if (this.#decompressor === undefined) await this.#onTar(bytes);
    else await this.#decompressor.write(bytes);
  }
}
