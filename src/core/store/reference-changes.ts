/**
 * What changes of references do to the list of records. Pure.
 *
 * A reference names one image at a time. An image whose last reference moves to another image stays
 * listed without a name, until it is removed or collected.
 */
import type { ImageRecord } from './layout-index.ts';

/**
 * The records after `added` was put: its reference, if it has one, now means `added` alone. The
 * image that had the reference stays, nameless, unless it has other names.
 */
export function withRecord(records: readonly ImageRecord[], added: ImageRecord): ImageRecord[] {
  if (added.reference === undefined) {
    const isListed = records.some((record) => isSameImage(record, added));
    return isListed ? [...records] : [...records, added];
  }
  const kept: ImageRecord[] = [];
  for (const record of records) {
    if (record.reference !== added.reference) kept.push(record);
    else if (!isSameImage(record, added)) kept.push(withoutReference(record));
  }
  return withoutSpareNameless([...kept, added]);
}

function isSameImage(a: ImageRecord, b: ImageRecord): boolean {
  return a.manifest.digest === b.manifest.digest;
}

function withoutReference(record: ImageRecord): ImageRecord {
  const { reference, ...nameless } = record;
  return reference === undefined ? nameless : { ...nameless, formerReference: reference };
}

/** Leaves out nameless records of images that have a name, and all but the first of each other image. */
function withoutSpareNameless(records: readonly ImageRecord[]): ImageRecord[] {
  const listed = new Set(
    records.flatMap(({ reference, manifest }) => (reference === undefined ? [] : manifest.digest)),
  );
  return records.filter(({ reference, manifest }) => {
    if (reference !== undefined) return true;
    const isSpare = listed.has(manifest.digest);
    listed.add(manifest.digest);
    return !isSpare;
  });
}
