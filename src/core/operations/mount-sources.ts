/** Where in a registry blobs may already be, as far as the store knows. */
import type { Digest } from '../oci/digest.ts';
import { parseReference } from '../oci/reference.ts';
import type { ImageRecord } from '../store/image-store.ts';
import { findSummary } from './image-state.ts';

/** Where a push goes. */
export interface PushTarget {
  readonly record: ImageRecord;
  readonly registry: string;
  readonly repository: string;
}

/**
 * Tells for a blob a repository of the same registry from which an image with this blob came: another
 * name of the pushed image first, else any image that shares the blob. A guess: the registry decides.
 */
export function mountSources(
  dataDir: string,
  records: readonly ImageRecord[],
  { record, registry, repository }: PushTarget,
): (digest: Digest) => string | undefined {
  const sources = new Map<Digest, string>();
  const isOwn = (each: ImageRecord): boolean => each.imageId === record.imageId;
  const ordered = [...records.filter(isOwn), ...records.filter((each) => !isOwn(each))];
  for (const each of ordered) {
    const from = repositoryIn(registry, each);
    if (from === undefined || from === repository) continue;
    const layers = findSummary(dataDir, each)?.layers ?? [];
    for (const digest of [each.imageId, ...layers.map((layer) => layer.digest)]) {
      if (!sources.has(digest)) sources.set(digest, from);
    }
  }
  return (digest) => sources.get(digest);
}

function repositoryIn(registry: string, record: ImageRecord): string | undefined {
  const name = record.reference ?? record.formerReference;
  if (name === undefined || record.isFromFile === true) return undefined;
  const reference = parseReference(name);
  return reference.registry === registry ? reference.repository : undefined;
}
