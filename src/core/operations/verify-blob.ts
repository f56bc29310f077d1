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
  /** It could have been made right, but nothing can be written in the store. */
  readonly isReadOnly?: true;
}

/** Notes a problem, and whether it can be put right from what is in the store. */
export type NoteProblem = (what: string, isRepairable: boolean) => void;

/** What a verification notes problems with, and whether it changes anything in the store. */
export interface RepairRun {
  readonly note: NoteProblem;
  readonly canRepair: boolean;
}

/**
 * Notes a blob that is not what its name says, and removes it, so that the next fetch brings it
 * again. Errors that do not come from its bytes are thrown on.
 */
export function noteDamagedBlob(
  dataDir: string,
  { note, canRepair, ...damage }: RepairRun & { descriptor: Descriptor; error: unknown },
): void {
  const { descriptor, error } = damage;
  if (!(error instanceof EngineError)) throw error;
  note(error.message, false);
  if (canRepair) removeBlob(dataDir, descriptor.digest);
}
