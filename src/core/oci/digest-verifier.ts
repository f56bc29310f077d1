/**
 * The one place where bytes from outside are checked against their descriptor.
 *
 * Size is checked while the bytes arrive, so that an endless body costs no more than the
 * descriptor's size; the digest is checked at the end, over the bytes exactly as they were sent.
 */
import { createHash, type Hash } from 'node:crypto';
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import { algorithmOf, type Digest, digestFromHash } from './digest.ts';

/** Checks a run of bytes against the size and the digest of a descriptor. Holds no resource. */
export class DigestVerifier {
  readonly #hash: Hash;
  readonly #digest: Digest;
  readonly #size: number;
  readonly #where: string;
  #bytesRead = 0;

  /** @param where names the blob and its source for errors, such as `layer 2/4 sha256:…`. */
  constructor(expected: Pick<Descriptor, 'digest' | 'size'>, where: string) {
    this.#hash = createHash(algorithmOf(expected.digest));
    this.#digest = expected.digest;
    this.#size = expected.size;
    this.#where = where;
  }

  /** Bytes given so far, including those that `update` refused. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /**
   * Takes the next bytes; it does not keep them.
   *
   * @throws EngineError `SIZE_MISMATCH` as soon as there is one byte too many.
   */
  update(chunk: Uint8Array): void {
    this.#bytesRead += chunk.length;
    if (this.#bytesRead > this.#size) {
      throw new EngineError(
        'SIZE_MISMATCH',
        `${this.#where} is longer than the ${this.#size} bytes that its descriptor says`,
      );
    }
    this.#hash.update(chunk);
  }

  /**
   * Says that there are no more bytes. To be called once.
   *
   * @throws EngineError `SIZE_MISMATCH` when bytes are missing, `DIGEST_MISMATCH` with both digests
   * when they are other bytes.
   */
  end(): void {
    if (this.#bytesRead < this.#size) {
      throw new EngineError(
        'SIZE_MISMATCH',
        `${this.#where} has ${this.#bytesRead} of the ${this.#size} bytes that its descriptor says`,
      );
    }
    const found = digestFromHash(algorithmOf(this.#digest), this.#hash.digest('hex'));
    if (found !== this.#digest) {
      throw new EngineError(
        'DIGEST_MISMATCH',
        `${this.#where} does not have the digest that its descriptor says: expected ${quote(this.#digest)}, found ${quote(found)}`,
      );
    }
  }
}
