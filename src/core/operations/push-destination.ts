/** Which image of the store a push means, and where it goes. */
import { EngineError, quote } from '../errors.ts';
import { parseImageSource } from '../oci/image-source.ts';
import { formatReference, parseReference, type Reference } from '../oci/reference.ts';
import type { ImageRecord } from '../store/image-store.ts';
import { resolveImage } from '../store/resolve.ts';

/** An image and its destination. */
export interface PushPlan {
  readonly record: ImageRecord;
  readonly destination: Reference;
  /** Under what the manifest is put: the destination's tag, or its digest when it has none. */
  readonly tagOrDigest: string;
}

/**
 * The image that `input` means, and `destination`, or the image's own name without one.
 *
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_AMBIGUOUS`, `REFERENCE_INVALID`; `USAGE_INVALID` when
 * the destination is no registry, or the image has no name, or several
 */
export function planPush(
  records: readonly ImageRecord[],
  input: string,
  destination: string | undefined,
): PushPlan {
  const found = resolveImage(records, input);
  const [record] = found;
  const reference =
    destination === undefined ? ownName(found, input) : parseDestination(destination);
  const { digest } = record.manifest;
  if (reference.digest !== undefined && reference.digest !== digest) {
    throw new EngineError(
      'REFERENCE_INVALID',
      `${quote(formatReference(reference))} names the digest of another manifest than that of the image, ${digest}`,
      { hint: 'Name a destination with a tag instead.' },
    );
  }
  return { record, destination: reference, tagOrDigest: reference.tag ?? digest };
}

function parseDestination(destination: string): Reference {
  const source = parseImageSource(destination);
  if (source.kind === 'registry') return source.reference;
  throw new EngineError(
    'USAGE_INVALID',
    `${quote(destination)} is a file; expected a registry to push to`,
    { hint: 'Run "dray image save" to write images into files.' },
  );
}

function ownName(records: readonly ImageRecord[], input: string): Reference {
  const names = records.flatMap(({ reference }) => reference ?? []);
  const [name] = names;
  if (name !== undefined && names.length === 1) return parseReference(name);
  const has = names.length === 0 ? 'no name' : `${names.length} names`;
  throw new EngineError(
    'USAGE_INVALID',
    `the image ${quote(input)} has ${has} to be pushed under`,
    {
      hint: `Name the destination: "dray push ${input} HOST/REPOSITORY:TAG".`,
    },
  );
}
