/** `image tag`: another name for an image of the store. */
import { EngineError, quote } from '../errors.ts';
import type { ImageId } from '../oci/digest.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import { acquireShared } from '../store/gc-lock.ts';
import type { ImageRecord } from '../store/image-store.ts';
import { withRecord } from '../store/reference-changes.ts';
import { resolveImage } from '../store/resolve.ts';
import type { Engine } from './engine.ts';

/** An image with the names that it got. */
export interface TaggedImage {
  readonly imageId: ImageId;
  /** Canonical. */
  readonly references: readonly string[];
}

/**
 * Gives the image that `source` means the names `targets`, all of them or, on an error, none. An image
 * that had such a name stays, without it. Idempotent.
 *
 * @param targets references with a tag, or without for `latest`.
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_AMBIGUOUS`, `REFERENCE_INVALID`, `STORE_CORRUPT`,
 * `STORE_UNUSABLE`
 */
export async function tagImage(
  engine: Engine,
  source: string,
  targets: readonly string[],
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<TaggedImage> {
  const references = [...new Set(targets.map(parseTarget))];
  const waiting = signal === undefined ? {} : { signal };
  // An image without a name may be collected until it has one.
  using _shared = await acquireShared(engine.settings.dataDir, waiting);
  const [{ imageId }] = resolveImage(engine.store.readReferences(), source);
  await engine.store.updateReferences((records) => {
    // Found again: another process may have changed the references meanwhile.
    const [record] = resolveImage(records, source);
    const { formerReference: _former, ...image } = record;
    return references.reduce<readonly ImageRecord[]>(
      (list, reference) => withRecord(list, { ...image, reference }),
      records,
    );
  }, waiting);
  return { imageId, references };
}

function parseTarget(target: string): string {
  const reference = parseReference(target);
  if (reference.digest === undefined) return formatReference(reference);
  throw new EngineError(
    'REFERENCE_INVALID',
    `${quote(target)} has a digest, which no name can be given to; expected REPOSITORY[:TAG]`,
  );
}
