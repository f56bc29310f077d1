/** Volumes for a container that is about to start. */
import type { Container } from '../container/container-store.ts';
import { readVolumeUses, type VolumeUse, writeVolumeUses } from '../container/volume-uses.ts';
import type { WantedVolume } from '../runtime/volumes.ts';
import { fillVolume } from '../volume/fill-volume.ts';
import { mountSubpath } from '../volume/subpath.ts';
import { volumeDir } from '../volume/volume-paths.ts';
import { lockVolumes, ownedVolumeName, VolumeStore } from '../volume/volume-store.ts';
import { sweepVolumesNow } from './sweep-volumes.ts';

/** For whom volumes are provided. */
export interface VolumeClient {
  /** Held by this process. */
  readonly container: Container;
  readonly dataDir: string;
  readonly signal?: AbortSignal;
}

/**
 * Makes the volumes that are missing, writes down that the container uses them, and fills the empty
 * ones; returns the paths to mount. From the moment that the use is written down nobody removes
 * them. A container that had its volumes before gets them as it left them.
 *
 * Those without a name belong to the container: they are removed right after it, by this process or,
 * if that is killed, by whoever sweeps.
 *
 * @throws EngineError `USAGE_INVALID` for a name or a subpath that is not there; `STORE_CORRUPT`;
 *   SystemCallError
 */
export async function provideVolumes(
  wanted: readonly WantedVolume[],
  client: VolumeClient,
): Promise<string[]> {
  const { container, dataDir } = client;
  const { id, directory } = container;
  const waiting = client.signal === undefined ? {} : { signal: client.signal };
  const { isFilled } = readVolumeUses(directory);
  const uses = wanted.map(
    ({ name, destination, readOnly }): VolumeUse => ({
      volume: name ?? ownedVolumeName(id, destination),
      destination,
      readOnly,
      isOwned: name === undefined,
    }),
  );
  {
    using _lock = await lockVolumes(dataDir, 'shared', waiting);
    // First the use: a volume whose maker is killed here is that of a container that anyone sees.
    writeVolumeUses(directory, { uses, isFilled });
    for (const [index, { volume, isOwned }] of uses.entries()) {
      const labels = wanted[index]?.labels ?? {};
      const kind = isOwned ? { isAnonymous: true, ownerId: id } : {};
      VolumeStore.create(dataDir, { name: volume, labels, ...kind });
    }
  }
  if (uses.some(({ isOwned }) => isOwned)) container.afterRemoval(() => sweepVolumesNow(dataDir));
  const sources: string[] = [];
  for (const [index, { volume, isOwned }] of uses.entries()) {
    const place = volumeDir(dataDir, volume);
    const { content, subpath } = wanted[index] ?? {};
    const source = content === undefined || isFilled ? {} : { source: content };
    const dataPath = await fillVolume(place, { ...waiting, ...source, durable: !isOwned });
    sources.push(subpath === undefined ? dataPath : mountSubpath(place, subpath));
  }
  if (!isFilled) writeVolumeUses(directory, { uses, isFilled: true });
  return sources;
}
