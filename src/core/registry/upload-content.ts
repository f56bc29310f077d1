/** What an upload sends: read as often as it takes, and verified before its last byte goes out. */
import type { Descriptor } from '../oci/descriptor.ts';
import { DigestVerifier } from '../oci/digest-verifier.ts';

/** The bytes of a blob, wherever they are. */
export interface BlobContent {
  /** The bytes from `offset` on; may be called again. Leaving the loop closes what was opened. */
  open(offset: number): AsyncIterable<Buffer>;
  /** What to throw when the bytes turn out not to be the blob; the error that says so when absent. */
  readonly damaged?: (error: unknown) => unknown;
}

/** Parts of a blob, to be read in any number of attempts. */
export interface VerifiedContent {
  /**
   * The bytes from `start` up to `end`. The first pass over the blob hashes it; the part that holds
   * the last byte is given only when the whole blob has its digest.
   *
   * @throws EngineError `SIZE_MISMATCH`, `DIGEST_MISMATCH`
   */
  part(start: number, end: number): AsyncGenerator<Buffer>;
}

/**
 * Wraps the bytes of a blob. Parts are to be read in order, though each of them any number of times.
 *
 * @param where names the blob in errors.
 */
export function verifiedContent(
  content: BlobContent,
  descriptor: Descriptor,
  where: string,
): VerifiedContent {
  const verifier = new DigestVerifier(descriptor, where);
  let isVerified = false;
  const check = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      throw content.damaged?.(error) ?? error;
    }
  };
  const finish = (): void => {
    if (!isVerified) verifier.end();
    isVerified = true;
  };
  const verify = (chunk: Buffer, at: number): void => {
    const known = verifier.bytesRead - at;
    if (known < chunk.length) verifier.update(chunk.subarray(known));
    if (verifier.bytesRead === descriptor.size) finish();
  };
  return {
    async *part(start, end) {
      let at = start;
      if (descriptor.size === 0) check(finish);
      for await (const chunk of at < end ? content.open(start) : []) {
        const bytes = chunk.subarray(0, end - at);
        check(() => verify(bytes, at));
        yield bytes;
        at += bytes.length;
        if (at >= end) return;
      }
      if (at < end) check(() => verifier.end());
    },
  };
}

/** A blob whose bytes are in memory. */
export function contentOf(bytes: Buffer): BlobContent {
  return {
    async *open(offset) {
      yield bytes.subarray(offset);
    },
  };
}
