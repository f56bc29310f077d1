/** docker's fields of `image list --format`. */
import { escapeControls } from '../core/errors.ts';
import type { ImageListing } from '../core/operations/list-images.ts';
import { decimalSize, spanWords, timeWords } from './docker-words.ts';
import { bareImageId, type CellStyle } from './image-fields.ts';
import type { FormatRow } from './template/format-flag.ts';

const NONE = '<none>';
const UNKNOWN = 'N/A';

/** Titles of the fields. */
export const IMAGE_TITLES: FormatRow = {
  Containers: 'CONTAINERS',
  CreatedAt: 'CREATED AT',
  CreatedSince: 'CREATED',
  Digest: 'DIGEST',
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  SharedSize: 'SHARED SIZE',
  Size: 'SIZE',
  Tag: 'TAG',
  UniqueSize: 'UNIQUE SIZE',
  VirtualSize: 'SIZE',
};

/**
 * The fields of one image. `CreatedAt` is when the image was made or, if it does not tell, when it
 * came into the store. Texts have no control characters.
 */
export function imageFormatRow(image: ImageListing, style: CellStyle): FormatRow {
  const { imageId, reference, sizeBytes, importedAt, createdAt = importedAt } = image;
  const { repository, tag } = splitName(reference);
  const size = decimalSize(sizeBytes);
  const isKnown = !Number.isNaN(createdAt.getTime());
  return {
    Containers: UNKNOWN,
    CreatedAt: isKnown ? timeWords(createdAt) : UNKNOWN,
    CreatedSince: isKnown ? `${spanWords(createdAt, style.now)} ago` : UNKNOWN,
    Digest: image.manifestDigest,
    ID: style.isFull ? imageId : bareImageId(imageId, style),
    Repository: escapeControls(repository),
    SharedSize: UNKNOWN,
    Size: size,
    Tag: escapeControls(tag),
    UniqueSize: UNKNOWN,
    VirtualSize: size,
  };
}

function splitName(reference: string | undefined) {
  if (reference === undefined) return { repository: NONE, tag: NONE };
  const [name = ''] = reference.split('@');
  const [, repository = name, tag = NONE] = /^(.*):([^:/]*)$/.exec(name) ?? [];
  return { repository, tag };
}
