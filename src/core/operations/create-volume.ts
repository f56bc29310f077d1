/** `volume create`. */
import type { OperationOptions } from '../progress.ts';
import type { VolumeRecord } from '../volume/volume-record.ts';
import { lockVolumes, newVolumeName, VolumeStore } from '../volume/volume-store.ts';
import type { Engine } from './engine.ts';

/** What `createVolume` is told. */
export interface CreateVolumeOptions extends Pick<OperationOptions, 'signal'> {
  /** Made up when absent; the volume then counts as anonymous. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Makes a volume and returns it; one that is there already is returned as it is. Once this returns,
 * it has survived a power cut if it has a name.
 *
 * @throws EngineError `USAGE_INVALID` for the name; SystemCallError
 */
export async function createVolume(
  { settings: { dataDir } }: Engine,
  { name, labels = {}, signal }: CreateVolumeOptions,
): Promise<VolumeRecord> {
  using _lock = await lockVolumes(dataDir, 'shared', signal === undefined ? {} : { signal });
  const named = name === undefined ? { name: newVolumeName(), isAnonymous: true } : { name };
  return VolumeStore.create(dataDir, { ...named, labels });
}
