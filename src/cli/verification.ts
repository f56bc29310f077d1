/** What `image verify` prints. */
import { escapeControls } from '../core/errors.ts';
import type { ImageVerification } from '../core/operations/verify-images.ts';
import { formatImageId } from './image-fields.ts';

/** One element of `image verify --json`. */
export interface VerificationJson {
  /** Null when the store no longer knows it. */
  readonly id: string | null;
  readonly name: string | null;
  readonly problems: readonly { readonly what: string; readonly repaired: boolean }[];
}

/** A line for each image that is right, and one for each problem of the others. */
export function verificationLines(results: readonly ImageVerification[]): string[] {
  return results.flatMap(({ imageId, reference, problems }) => {
    const id = imageId === undefined ? '' : ` ("${formatImageId(imageId)}")`;
    const image = `image: "${escapeControls(reference ?? '<none>')}"${id}`;
    if (problems.length === 0) return [`successfully verified ${image}`];
    return problems.map(({ what, isRepaired, isReadOnly }) => {
      const why = isReadOnly ? 'the store is read-only' : 'fetch the image again';
      const outcome = isRepaired ? 'repaired' : `not repaired; ${why}`;
      return `problem in ${image}: ${escapeControls(what)}; ${outcome}`;
    });
  });
}

/** The JSON form of one result. */
export function verificationJson(result: ImageVerification): VerificationJson {
  return {
    id: result.imageId ?? null,
    name: result.reference ?? null,
    problems: result.problems.map(({ what, isRepaired }) => ({ what, repaired: isRepaired })),
  };
}
