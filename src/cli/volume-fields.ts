/** What the commands of volumes show. */
import type { VolumeInfo } from '../core/operations/list-volumes.ts';
import type { VolumeRemoval } from '../core/operations/remove-volumes.ts';
import { errorJson } from './error-report.ts';
import { formatAge } from './humanize.ts';
import { timeJson } from './image-json.ts';

/** Titles of the columns of `volume list`; the first two are docker's. */
export const VOLUME_TITLES = ['DRIVER', 'VOLUME NAME', 'CREATED', 'CONTAINERS'] as const;

const DRIVER = 'local';
const SHORT_ID_HEX = 12;

/** The cells of one volume, in the order of `VOLUME_TITLES`. */
export function volumeRow({ name, createdAt, usedBy }: VolumeInfo, now: Date): string[] {
  const users = usedBy.map((id) => id.slice(0, SHORT_ID_HEX)).join(', ');
  return [DRIVER, name, formatAge(createdAt, now), users || '-'];
}

/** One element of `volume list --json`. */
export function volumeJson(volume: VolumeInfo) {
  return {
    name: volume.name,
    driver: DRIVER,
    created_at: timeJson(volume.createdAt),
    labels: volume.labels,
    anonymous: volume.isAnonymous,
    mountpoint: volume.mountpoint,
    used_by: volume.usedBy,
  };
}

/** One line of `volume list --format json`, with docker's fields. */
export function volumeListing({ name, labels, mountpoint, usedBy }: VolumeInfo) {
  return {
    Availability: 'N/A',
    Driver: DRIVER,
    Group: 'N/A',
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    Links: String(usedBy.length),
    Mountpoint: mountpoint,
    Name: name,
    Scope: DRIVER,
    Size: 'N/A',
    Status: 'N/A',
  };
}

/** What `volume inspect` prints of one volume: docker's shape. */
export function volumeInspection({ name, createdAt, labels, mountpoint }: VolumeInfo) {
  return {
    CreatedAt: timeJson(createdAt),
    Driver: DRIVER,
    Labels: labels,
    Mountpoint: mountpoint,
    Name: name,
    Options: {},
    Scope: DRIVER,
  };
}

/** The JSON form of a removal of volumes. */
export function volumeRemovalJson({ removed, failures, freedBytes }: VolumeRemoval) {
  return {
    removed,
    freed_bytes: freedBytes,
    failures: failures.map(({ input, error }) => ({ input, ...errorJson(error) })),
  };
}
