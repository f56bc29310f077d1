/** Volumes of a container that is made and not started yet. */
import type { Container } from '../container/container-store.ts';
import { writeVolumeUses } from '../container/volume-uses.ts';
import type { MountRequest } from '../runtime/run-options.ts';
import { lockVolumes, VolumeStore } from '../volume/volume-store.ts';

/** For whom volumes are reserved. */
export interface VolumeReservation {
  /** Held by this process, and never started. */
  readonly container: Container;
  readonly dataDir: string;
  readonly signal?: AbortSignal;
}

/**
 * Makes the named volumes that a container asks for and writes down that it uses them, as
 * `docker create` does: from now on nobody removes them. They are filled when it starts, and those
 * without a name are made then. Idempotent.
 *
 * @throws EngineError `USAGE_INVALID` for a name; SystemCallError, and the reason of `signal`
 */
export async function reserveVolumes(
  mounts: readonly MountRequest[],
  { container, dataDir, signal }: VolumeReservation,
): Promise<void> {
  const wanted = mounts.flatMap((mount) =>
    mount.type === 'volume' && mount.name !== undefined ? [{ ...mount, name: mount.name }] : [],
  );
  if (wanted.length === 0) return;
  const uses = wanted.map(({ name, destination, readOnly }) => ({
    volume: name,
    destination,
    readOnly,
    isOwned: false,
  }));
  using _lock = await lockVolumes(dataDir, 'shared', signal === undefined ? {} : { signal });
  writeVolumeUses(container.directory, { uses, isFilled: false });
  for (const { name, labels = {} } of wanted) VolumeStore.create(dataDir, { name, labels });
}
