/** The fields of an image in `image list`: how each is named, shown, and compared. */
import { EngineError, quote } from '../core/errors.ts';
import type { ImageListing } from '../core/operations/list-images.ts';
import { formatAge, formatLongTime, formatSize } from './humanize.ts';

/** Names for `--fields` and `--sort`. */
export const FIELD_NAMES = ['id', 'name', 'size', 'importtime', 'lastused'] as const;

/** One of `FIELD_NAMES`. */
export type FieldName = (typeof FIELD_NAMES)[number];

/** Field names separated by commas. @throws EngineError `USAGE_INVALID` */
export function parseFieldNames(text: string): FieldName[] {
  return text.split(',').map((word) => {
    const name = FIELD_NAMES.find((candidate) => candidate === word);
    if (name !== undefined) return name;
    const known = FIELD_NAMES.join(', ');
    throw new EngineError('USAGE_INVALID', `--fields: ${quote(word)} is none of ${known}`);
  });
}

/** How cells are written. */
export interface CellStyle {
  /** Whole ids, bytes, and times in full. */
  readonly isFull: boolean;
  readonly now: Date;
}

interface Field {
  readonly title: string;
  readonly cell: (image: ImageListing, style: CellStyle) => string;
  readonly key: (image: ImageListing) => number | string;
}

const SHORT_ID_HEX = 12;

/** What is shown for an image without a name. */
const NAMELESS = '<none>';

/** What follows the name of an image of which files are missing. */
const DAMAGED = ' (damaged)';

/** Every field. */
export const FIELDS: Readonly<Record<FieldName, Field>> = {
  id: {
    title: 'ID',
    cell: ({ imageId }, { isFull }) => (isFull ? formatImageId(imageId) : shortImageId(imageId)),
    key: ({ imageId }) => imageId,
  },
  name: {
    title: 'NAME',
    cell: ({ reference, isDamaged }) => (reference ?? NAMELESS) + (isDamaged ? DAMAGED : ''),
    key: ({ reference }) => reference ?? '',
  },
  size: {
    title: 'SIZE',
    cell: ({ sizeBytes }, { isFull }) => (isFull ? `${sizeBytes}` : formatSize(sizeBytes)),
    key: ({ sizeBytes }) => sizeBytes,
  },
  importtime: {
    title: 'IMPORT TIME',
    cell: ({ importedAt }, style) => timeCell(importedAt, style),
    key: ({ importedAt }) => importedAt.getTime(),
  },
  lastused: {
    title: 'LAST USED',
    cell: ({ lastUsedAt }, style) => timeCell(lastUsedAt, style),
    key: ({ lastUsedAt }) => lastUsedAt.getTime(),
  },
};

/** `sha256-` and all of the hex: the form in which ids are printed. */
export function formatImageId(imageId: string): string {
  return imageId.replace(':', '-');
}

/** `sha256-` and 12 hex. */
export function shortImageId(imageId: string): string {
  return formatImageId(imageId).slice(0, imageId.indexOf(':') + 1 + SHORT_ID_HEX);
}

/** The hex of an id alone, 12 of it unless all is wanted: what `--quiet` prints. */
export function bareImageId(imageId: string, style: Pick<CellStyle, 'isFull'>): string {
  const hex = imageId.slice(imageId.indexOf(':') + 1);
  return style.isFull ? hex : hex.slice(0, SHORT_ID_HEX);
}

/** A copy of `images` in the order of one field; equal ones keep theirs. */
export function sortImages(
  images: readonly ImageListing[],
  { by, isDescending }: { readonly by: FieldName; readonly isDescending: boolean },
): ImageListing[] {
  const { key } = FIELDS[by];
  const direction = isDescending ? -1 : 1;
  return images.toSorted((a, b) => {
    const [left, right] = [key(a), key(b)];
    return left === right ? 0 : left < right ? -direction : direction;
  });
}

/** A damaged record can carry a time that is none. */
function timeCell(time: Date, { isFull, now }: CellStyle): string {
  if (Number.isNaN(time.getTime())) return '-';
  return isFull ? formatLongTime(time) : formatAge(time, now);
}
