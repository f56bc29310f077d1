/** What the commands of volumes show. */

import { escapeControls } from '../core/errors.ts';
import type { VolumeInfo } from '../core/operations/list-volumes.ts';
import type { VolumeRemoval } from '../core/operations/remove-volumes.ts';
import { labelOf, labelWords } from './container-words.ts';
import { errorJson } from './error-report.ts';
import { formatAge } from './humanize.ts';
import { timeJson } from './image-json.ts';
import type { FormatRow } from './template/format-flag.ts';

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

/** Titles of the fields of docker's `volume ls --format`. */
export const VOLUME_FIELD_TITLES: FormatRow = {
  Availability: 'AVAILABILITY',
  Driver: 'DRIVER',
  Group: 'GROUP',
  Label: (key: unknown) => escapeControls(String(key)),
  Labels: 'LABELS',
  Links: 'LINKS',
  Mountpoint: 'MOUNTPOINT',
  Name: 'VOLUME NAME',
  Scope: 'SCOPE',
  Size: 'SIZE',
  Status: 'STATUS',
};

/** docker's fields of one volume. Texts have no control characters. */
export function volumeListing({ name, labels, mountpoint, usedBy }: VolumeInfo): FormatRow {
  return {
    Availability: 'N/A',
    Driver: DRIVER,
    Group: 'N/A',
    Label: (key: unknown) => labelOf(labels, String(key)),
    Labels: escapeControls(labelWords(labels)),
    Links: String(usedBy.length),
    Mountpoint: escapeControls(mountpoint),
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
