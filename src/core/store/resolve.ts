/**
 * Which image of the store a user means.
 *
 * In this order: the exact reference of an image; an image id in full; a reference as a user writes
 * one; the beginning of an image id, as `sha256-…`, `sha256:…` or bare hex of at least four digits.
 * A reference wins over a beginning of an id, as with docker.
 */
import { EngineError, quote } from '../errors.ts';
import { type ImageId, isDigest } from '../oci/digest.ts';
import { formatReference, parseReference, type Reference } from '../oci/reference.ts';
import type { DamagedEntry } from './image-store.ts';
import type { ImageRecord } from './layout-index.ts';

const SHORTEST_BARE_HEX = 4;
const SHOWN_HEX = 12;

/** At least one record; all are of one image. */
export type ResolvedRecords = readonly [ImageRecord, ...ImageRecord[]];

/**
 * The records that `input` means: by reference the one record, by id all records of that image.
 *
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_AMBIGUOUS` naming the candidates
 */
export function resolveImage(records: readonly ImageRecord[], input: string): ResolvedRecords {
  const exact = findByName(records, input);
  if (exact !== undefined) return [exact];
  const id = idPrefix(input);
  const isWholeId = id !== undefined && isDigest(id);
  const named = isWholeId ? undefined : findByReference(records, input);
  if (named !== undefined) return [named];
  const found = id === undefined ? [] : records.filter(({ imageId }) => imageId.startsWith(id));
  const [first, ...rest] = found;
  if (first === undefined) throw notFound(input);
  if (rest.some(({ imageId }) => imageId !== first.imageId)) throw ambiguous(found, input);
  return [first, ...rest];
}

/** The damaged entry that carries the reference which `input` means, exactly or as a user writes it. */
export function findDamagedEntry(
  entries: readonly DamagedEntry[],
  input: string,
): DamagedEntry | undefined {
  const wanted = tryParse(input);
  const name = wanted === undefined ? input : formatReference(wanted);
  return entries.find(({ reference }) => reference === input || reference === name);
}

function findByName(records: readonly ImageRecord[], name: string): ImageRecord | undefined {
  return records.find(({ reference }) => reference === name);
}

/** `input` as the beginning of a digest, undefined when it cannot be one. */
function idPrefix(input: string): string | undefined {
  const labelled = /^(sha256|sha512)[-:]([0-9a-f]{1,128})$/.exec(input);
  if (labelled !== null) return `${labelled[1]}:${labelled[2]}`;
  const isHex = input.length >= SHORTEST_BARE_HEX && /^[0-9a-f]{1,64}$/.test(input);
  return isHex ? `sha256:${input}` : undefined;
}

function findByReference(records: readonly ImageRecord[], input: string): ImageRecord | undefined {
  const wanted = tryParse(input);
  if (wanted === undefined) return undefined;
  const named = findByName(records, formatReference(wanted));
  if (named !== undefined || wanted.digest === undefined) return named;
  const repository = `${wanted.registry}/${wanted.repository}`;
  return records.find(
    ({ reference, manifest, resolvedDigest }) =>
      (manifest.digest === wanted.digest || resolvedDigest === wanted.digest) &&
      reference?.startsWith(repository) === true &&
      /^[:@]/.test(reference.slice(repository.length)),
  );
}

function tryParse(input: string): Reference | undefined {
  try {
    return parseReference(input);
  } catch (error) {
    if (error instanceof EngineError && error.code === 'REFERENCE_INVALID') return undefined;
    throw error;
  }
}

function notFound(input: string): EngineError {
  return new EngineError('IMAGE_NOT_FOUND', `no image ${quote(input)} is in the store`, {
    hint: 'Run "dray image list" to see the images.',
  });
}

function ambiguous(found: readonly ImageRecord[], input: string): EngineError {
  const candidates = [...new Set(found.map(({ imageId }) => imageId))].map((imageId) => {
    const names = found.flatMap((record) =>
      record.imageId === imageId && record.reference !== undefined ? quote(record.reference) : [],
    );
    return names.length === 0 ? shorten(imageId) : `${shorten(imageId)} (${names.join(', ')})`;
  });
  return new EngineError(
    'IMAGE_AMBIGUOUS',
    `${quote(input)} is the beginning of ${candidates.length} image ids: ${candidates.join(', ')}`,
    { hint: 'Give more digits of the id, or a reference.' },
  );
}

function shorten(imageId: ImageId): string {
  const [algorithm, hex = ''] = imageId.split(':');
  return `${algorithm}-${hex.slice(0, SHOWN_HEX)}`;
}
