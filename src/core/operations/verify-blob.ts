/** Damaged blobs, as `image verify` treats them. */
import { EngineError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { removeBlob } from '../store/blob-store.ts';

/** Something that was wrong with an image. */
export interface ImageProblem {
  /** One sentence: what is damaged, and how. */
  readonly what: string;
  /** Whether it is right again. */
  readonly isRepaired: boolean;
}

/** Notes a problem; `repair`, if there is one, has been done before. */
export type NoteProblem = (what: string, isRepaired: boolean) => void;

/**
 * Notes a blob that is not what its name says, and removes it, so that the next fetch brings it
 * again. Errors that do not come from its bytes are thrown on.
 */
export function noteDamagedBlob(
  dataDir: string,
  { descriptor, error, note }: { descriptor: Descriptor; error: unknown; note: NoteProblem },
): void {
  if (!(error instanceof EngineError)) throw error;
  note(error.message, false);
  removeBlob(dataDir, descriptor.digest);
}
