/**
 * The file system of a container, running or not, for commands that read or write it from outside.
 *
 * While a container is supervised, its supervisor has the merged root mounted in a namespace of its
 * own, without anything that the container mounted itself; /proc leads there. One that nobody
 * supervises is mounted in a private namespace of this process, under the container's lock.
 */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ContainerListing } from '../container/container-directory.ts';
import { ContainerStore } from '../container/container-store.ts';
import { isSupervised } from '../container/run-state.ts';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { isErrno, O_PATH, unsharePrivateMounts } from '../host/libc.ts';
import { unmount } from '../host/mount.ts';
import { readSummary } from '../store/image-summary.ts';
import { rootfsDirectoryPath } from '../store/store-paths.ts';
import type { Engine } from './engine.ts';
import {
  type ContainerDirectories,
  containerDirectories,
  makeContainerDirectories,
  mountContainer,
} from './mount-container.ts';

/** The file system of one container. Disposing lets go of it. */
export interface ContainerView extends Disposable {
  readonly listing: ContainerListing;
  /** Whether its processes may be changing it meanwhile. */
  readonly isLive: boolean;
  /** The merged root: image and writable layer, without volumes and other mounts. */
  readonly rootFd: number;
  /** The image alone, read-only. */
  readonly lowerFd: number;
  /** The writable layer alone, as overlayfs keeps it. */
  readonly upperFd: number;
}

/**
 * Opens the file system of the container that `input` names. For one that does not run, this process
 * moves into a private mount namespace, and nobody else can start or remove it until this is
 * disposed.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`; `CONTAINER_WRONG_PHASE` for one that is only starting,
 *   being removed, or held by another command; `STORE_CORRUPT`, `ROOTFS_UNAVAILABLE`
 */
export async function openContainerView(engine: Engine, input: string): Promise<ContainerView> {
  const listing = ContainerStore.find(engine.settings.dataDir, input);
  const { phase, run } = listing;
  if (phase === 'running' || phase === 'paused') {
    const view = run === undefined ? undefined : openSupervised(engine, listing);
    // It may have ended just now.
    return view ?? (await openUnsupervised(engine, listing, input));
  }
  if (phase === 'exited' || phase === 'created') {
    return await openUnsupervised(engine, listing, input);
  }
  throw wrongPhase(input, `is ${phase}`);
}

const FLAGS = O_PATH | constants.O_DIRECTORY;

function openSupervised(engine: Engine, listing: ContainerListing): ContainerView | undefined {
  const { run, directory, record } = listing;
  if (run === undefined || !isSupervised(run)) return undefined;
  const paths = containerDirectories(`/proc/${run.supervisor.pid}/root${directory}`);
  const open = new DisposableStack();
  try {
    const view = openDirectories(open, paths, () =>
      rootfsDirectoryPath(engine.settings.dataDir, required(record, listing).chainId),
    );
    // Only now is it certain whose root that was: a number of a process may come again.
    if (!isSupervised(run)) {
      open.dispose();
      return undefined;
    }
    return { listing, isLive: true, ...view, [Symbol.dispose]: () => open.dispose() };
  } catch (error) {
    open.dispose();
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
}

async function openUnsupervised(
  engine: Engine,
  found: ContainerListing,
  input: string,
): Promise<ContainerView> {
  const { dataDir } = engine.settings;
  using release = new DisposableStack();
  const container = ContainerStore.claim(dataDir, found.id);
  if (container === undefined) throw wrongPhase(input, 'is held by another command');
  release.use(container);
  const listing = { ...found, record: container.record };
  const summary = readSummary(dataDir, required(container.record, found).imageId);
  const directories = makeContainerDirectories(container.directory);
  unsharePrivateMounts();
  const plan = { directories, volatile: false };
  try {
    await mountContainer(engine, summary, plan);
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'EINVAL')) throw error;
    const { restoreImage } = await import('./restore-image.ts');
    await restoreImage(dataDir, summary, {});
    await mountContainer(engine, summary, plan);
  }
  release.defer(() => unmountAll(directories));
  const view = openDirectories(release, directories, () =>
    rootfsDirectoryPath(dataDir, summary.chainId),
  );
  const cleanUp = release.move();
  return { listing, isLive: false, ...view, [Symbol.dispose]: () => cleanUp.dispose() };
}

/** Opens the three directories; `stack` closes them. */
function openDirectories(
  stack: DisposableStack,
  paths: ContainerDirectories,
  plainDirectory: () => string,
) {
  const open = (path: string): number => {
    const fd = openSync(path, FLAGS);
    stack.defer(() => closeSync(fd));
    return fd;
  };
  const rootFd = open(paths.mountPoint);
  const lowerMount = open(paths.lowerMountPoint);
  // Nothing is mounted there with the back-end that has the image as a plain directory.
  const isMounted = fstatSync(lowerMount).dev !== statSync(dirname(paths.lowerMountPoint)).dev;
  const lowerFd = isMounted ? lowerMount : open(plainDirectory());
  return { rootFd, lowerFd, upperFd: open(paths.upperDir) };
}

function unmountAll({ mountPoint, lowerMountPoint }: ContainerDirectories): void {
  for (const directory of [mountPoint, lowerMountPoint]) {
    try {
      unmount(directory, { detach: true });
    } catch (error) {
      // EINVAL: nothing is mounted there, as with the directory back-end.
      if (!isErrno(error, 'EINVAL')) throw error;
    }
  }
}

function required<T>(record: T | undefined, listing: ContainerListing): T {
  if (record !== undefined) return record;
  throw new EngineError('STORE_CORRUPT', `the record of the container ${listing.id} is damaged`, {
    hint: `Remove it with "dray rm ${listing.id.slice(0, 12)}".`,
  });
}

function wrongPhase(input: string, how: string): EngineError {
  return new EngineError('CONTAINER_WRONG_PHASE', `the container ${quote(input)} ${how}`, {
    hint: 'Run "dray list" to see the containers, and try again.',
  });
}
