/**
 * Where volumes lie below the data directory. Pure.
 *
 * | path | meaning |
 * |---|---|
 * | `volumes/<name>/volume.json` | what the volume is |
 * | `volumes/<name>/_data/` | its content: what containers see |
 * | `volumes/<name>/lock` | held while it is filled |
 * | `volumes/<name>/filling/` | a copy of an image's directory that is not complete |
 * | `volumes/<name>/filled/` | a complete one, on its way into `_data` |
 * | `volumes/<name>/subpaths/` | places where a part of the content is mounted, privately |
 * | `volumes/.new-<random>/` | a volume that is being made |
 * | `volumes/.removed-<random>/` | one that is being removed |
 * | `volumes/.lock` | shared to make or use a volume, exclusive to remove one |
 */
import { join } from 'node:path';

/** Common beginnings of names that are no volume's: no volume's name begins with a dot. */
export const NEW_PREFIX = '.new-';
export const REMOVED_PREFIX = '.removed-';

/** Directory of all volumes. */
export function volumesDir(dataDir: string): string {
  return join(dataDir, 'volumes');
}

/** Directory of one volume. `name` was checked by `isVolumeName`. */
export function volumeDir(dataDir: string, name: string): string {
  return join(dataDir, 'volumes', name);
}

/** The lock between use and removal of volumes. */
export function volumesLockPath(dataDir: string): string {
  return join(dataDir, 'volumes', '.lock');
}

/** What a volume is, in its directory. */
export function volumeRecordFile(directory: string): string {
  return join(directory, 'volume.json');
}

/** The content of a volume, in its directory. */
export function volumeDataDir(directory: string): string {
  return join(directory, '_data');
}
