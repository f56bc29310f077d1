/** `volume list` and `volume inspect`: the volumes that there are, without taking a lock. */
import { volumeUsers } from '../container/volume-uses.ts';
import { volumeDataDir, volumeDir } from '../volume/volume-paths.ts';
import type { VolumeRecord } from '../volume/volume-record.ts';
import { VolumeStore } from '../volume/volume-store.ts';
import type { Engine } from './engine.ts';
import { isLitterVolume } from './sweep-volumes.ts';

/** One volume. Labels come from outside. */
export interface VolumeInfo {
  readonly name: string;
  readonly createdAt: Date;
  readonly labels: Readonly<Record<string, string>>;
  readonly isAnonymous: boolean;
  /** Where its content is (absolute). */
  readonly mountpoint: string;
  /** Ids of the containers that use it, running or not. */
  readonly usedBy: readonly string[];
}

/** All volumes by name. @throws EngineError `STORE_CORRUPT` when it cannot be told who uses them */
export function listVolumes({ settings: { dataDir } }: Engine): VolumeInfo[] {
  const records = VolumeStore.list(dataDir).filter((record) => !isLitterVolume(dataDir, record));
  return describe(dataDir, records);
}

/**
 * The volumes of these names, in their order.
 *
 * @throws EngineError `VOLUME_NOT_FOUND`, `STORE_CORRUPT`
 */
export function inspectVolumes(
  { settings: { dataDir } }: Engine,
  names: readonly string[],
): VolumeInfo[] {
  return describe(
    dataDir,
    names.map((name) => VolumeStore.find(dataDir, name)),
  );
}

function describe(dataDir: string, records: readonly VolumeRecord[]): VolumeInfo[] {
  if (records.length === 0) return [];
  const users = volumeUsers(dataDir);
  return records.map(({ name, createdAt, labels, isAnonymous }) => ({
    name,
    createdAt: new Date(createdAt),
    labels,
    isAnonymous,
    mountpoint: volumeDataDir(volumeDir(dataDir, name)),
    usedBy: users
      .filter(({ uses }) => uses.some(({ volume }) => volume === name))
      .map(({ containerId }) => containerId),
  }));
}
