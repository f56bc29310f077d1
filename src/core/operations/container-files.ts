/** The files of a container as its processes see them, volumes and other mounts included. */
import { closeSync } from 'node:fs';
import { ContainerStore } from '../container/container-store.ts';
import { EngineError, quote } from '../errors.ts';
import { isErrno, mountCall, O_PATH, openInRoot } from '../host/libc.ts';
import { mountBind } from '../host/mount.ts';
import { openContainerProcess } from '../runtime/container-process.ts';
import { type ContainerMount, containerMounts, hasReadOnlyRoot } from './container-mounts.ts';
import { openContainerView } from './container-view.ts';
import { type Engine, runtimeRoot } from './engine.ts';

/** An open root of a container. Disposing lets go of it. */
export interface ContainerFiles extends Disposable {
  readonly rootFd: number;
  /** Whether nothing may be written outside of volumes. */
  readonly isReadOnly: boolean;
}

/**
 * Opens the files of the container that `input` names: of one that runs through its first process,
 * of another by mounting it as `openContainerView` does, and its binds and volumes with it.
 *
 * @throws EngineError as `openContainerView`
 */
export async function openContainerFiles(engine: Engine, input: string): Promise<ContainerFiles> {
  const listing = ContainerStore.find(engine.settings.dataDir, input);
  if (listing.phase === 'running' || listing.phase === 'paused') {
    const first = openContainerProcess({
      runtimeRoot: listing.run?.runtimeRoot ?? runtimeRoot(engine),
      containerId: listing.id,
    });
    // The kernel refuses to write to a read-only root that is mounted so.
    if (first !== undefined) return { ...first, rootFd: first.root.fd, isReadOnly: false };
  }
  const view = await openContainerView(engine, input);
  if (view.isLive) {
    view[Symbol.dispose]();
    throw new EngineError('CONTAINER_WRONG_PHASE', `the container ${quote(input)} is just ending`);
  }
  try {
    const { directory } = view.listing;
    for (const mount of containerMounts(directory)) bindAgain(view.rootFd, mount);
    const isReadOnly = hasReadOnlyRoot(directory);
    return { rootFd: view.rootFd, isReadOnly, [Symbol.dispose]: () => view[Symbol.dispose]() };
  } catch (error) {
    view[Symbol.dispose]();
    throw error;
  }
}

const MS_RDONLY = 1;
const MS_REMOUNT = 0x20;
const MS_BIND = 0x1000;

/** Nothing of the container runs, so what was looked up stays true. */
function bindAgain(rootFd: number, { type, source, destination, options }: ContainerMount): void {
  if (type !== 'bind') return;
  at(rootFd, destination, (target) => {
    try {
      mountBind(source, target);
    } catch (error) {
      // The source is gone, or has become a file where a directory was.
      if (!isErrno(error, 'ENOENT') && !isErrno(error, 'ENOTDIR')) throw error;
    }
  });
  if (!options.includes('ro')) return;
  at(rootFd, destination, (target) => {
    const flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
    mountCall(null, target, { type: null, flags, data: null });
  });
}

function at(rootFd: number, path: string, use: (target: string) => void): void {
  let fd: number;
  try {
    fd = openInRoot(rootFd, path, O_PATH);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return;
    throw error;
  }
  try {
    use(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}
