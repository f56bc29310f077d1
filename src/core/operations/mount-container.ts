/** The root file system of a container: mounted in a mount namespace of this process alone. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { SystemCallError } from '../host/libc.ts';
import { type BackendName, chooseBackend, mountRootfs } from '../rootfs/backend.ts';
import type { ImageSummary } from '../store/image-summary.ts';
import { hasRootfsDirectory, RootfsIngest } from '../store/rootfs-store.ts';
import { layerDataPath, rootfsDirectoryPath, rootfsImagePath } from '../store/store-paths.ts';
import type { Engine } from './engine.ts';

/** The directories of one container that its root file system is made of. */
export interface ContainerDirectories {
  readonly lowerMountPoint: string;
  readonly upperDir: string;
  readonly workDir: string;
  readonly mountPoint: string;
}

/** Where they are below a container's own. */
export function containerDirectories(containerDir: string): ContainerDirectories {
  return {
    lowerMountPoint: join(containerDir, 'lower'),
    upperDir: join(containerDir, 'upper'),
    workDir: join(containerDir, 'work'),
    mountPoint: join(containerDir, 'rootfs'),
  };
}

/** Makes those of them that are missing. */
export function makeContainerDirectories(containerDir: string): ContainerDirectories {
  const directories = containerDirectories(containerDir);
  for (const directory of Object.values(directories)) {
    try {
      mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error;
    }
  }
  return directories;
}

/**
 * Mounts the image with a writable layer on top. The process must be in a mount namespace of its
 * own: then no mount is ever visible outside, and none can outlive the process.
 *
 * @param volatile the writable layer is thrown away afterwards and need never reach the disk.
 * @throws EngineError `ROOTFS_UNAVAILABLE`; `SystemCallError` with errno `ENOENT` when a file of the
 *   image is gone
 */
export async function mountContainer(
  engine: Engine,
  summary: ImageSummary,
  { directories, volatile }: { directories: ContainerDirectories; volatile: boolean },
): Promise<void> {
  const { dataDir, rootfsBackend } = engine.settings;
  const files = {
    imageFile: rootfsImagePath(dataDir, summary.chainId),
    dataFiles: summary.devices.map((diffId) => layerDataPath(dataDir, diffId)),
    directory: rootfsDirectoryPath(dataDir, summary.chainId),
  };
  const mount = (backend: BackendName): void =>
    mountRootfs({ backend, files, ...directories, volatile });
  if (rootfsBackend === undefined && OPTIMISTIC.some((name) => tryMount(() => mount(name)))) return;
  const backend = chooseBackend(dataDir, rootfsBackend).name;
  if (backend === 'directory') await ensureDirectory(dataDir, summary);
  mount(backend);
}

const OPTIMISTIC: readonly BackendName[] = ['erofs', 'erofs-loop'];

/**
 * The kernel is asked by doing: a probe would cost every start more than the mount itself. A
 * missing file is no answer about the kernel.
 */
function tryMount(mount: () => void): boolean {
  try {
    mount();
    return true;
  } catch (error) {
    if (error instanceof SystemCallError && error.errno !== 'ENOENT') return false;
    throw error;
  }
}

/** Materialises the image once; who comes second waits for the first. */
async function ensureDirectory(dataDir: string, summary: ImageSummary): Promise<void> {
  const { chainId } = summary;
  if (hasRootfsDirectory(dataDir, chainId)) return;
  const { materialiseImage } = await import('./materialise-image.ts');
  using ingest = await RootfsIngest.begin(dataDir, chainId);
  if (hasRootfsDirectory(dataDir, chainId)) return;
  await materialiseImage(dataDir, summary, ingest.directory);
  ingest.commit();
}
