/** `diff`: what a container changed in its file system. */
import { type ChangeKind, upperChanges } from '../rootfs/upper-changes.ts';
import { containerMounts } from './container-mounts.ts';
import { openContainerView } from './container-view.ts';
import type { Engine } from './engine.ts';

/** One changed path. */
export interface ContainerChange {
  readonly kind: ChangeKind;
  /** Absolute, in the container. Bytes that are no UTF-8 become replacement characters. */
  readonly path: string;
}

/**
 * The paths that the container added, changed and removed against its image, sorted. A directory in
 * which something changed has changed. What dray and runc make for mounts is no change, and what
 * lies in a volume or another mount is not looked at.
 *
 * @throws EngineError as `openContainerView`
 */
export async function diffContainer(engine: Engine, input: string): Promise<ContainerChange[]> {
  using view = await openContainerView(engine, input);
  const { upperFd, lowerFd, listing } = view;
  const mountPoints = containerMounts(listing.directory).map(({ destination }) => destination);
  return [...upperChanges({ upperFd, lowerFd, mountPoints })]
    .filter(([path]) => path !== '')
    .map(([path, kind]) => ({ kind, path: `/${Buffer.from(path, 'latin1').toString('utf8')}` }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}
