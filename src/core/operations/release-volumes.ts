/** What becomes of a container's own volumes when it is removed. */
import { lockVolumes, VolumeStore } from '../volume/volume-store.ts';

/**
 * Lets the anonymous volumes of a container outlive it, as `docker rm` without `-v` does. To be
 * called before the container, which the caller has locked, is removed; without it `sweepVolumes`
 * removes them afterwards. Idempotent. A container that has none costs one look.
 *
 * @throws SystemCallError
 */
export async function keepOwnedVolumes(dataDir: string, containerId: string): Promise<void> {
  const isOwned = ({ ownerId }: { readonly ownerId?: string }) => ownerId === containerId;
  const owned = VolumeStore.list(dataDir).filter(isOwned);
  if (owned.length === 0) return;
  using _lock = await lockVolumes(dataDir, 'shared');
  for (const { name } of owned) VolumeStore.detach(dataDir, name);
}
