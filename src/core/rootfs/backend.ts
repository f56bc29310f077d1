/**
 * The three ways to mount an image's root file system, best first.
 *
 * | name | read-only layer below the container's writable one |
 * |---|---|
 * | `erofs` | the EROFS image and the layer data files, as files |
 * | `erofs-loop` | the same through loop devices, for kernels that do not mount files |
 * | `directory` | the tree as a plain directory, for hosts without EROFS |
 *
 * All three show the same tree, which one contract test suite checks.
 */
import { EngineError, quote } from '../errors.ts';
import {
  type ProbeResult,
  probeErofsFile,
  probeErofsLoop,
  probeOverlay,
} from '../host/kernel-features.ts';
import { mountErofs, mountErofsOverLoop, mountOverlay, unmount } from '../host/mount.ts';
import { dressUpperDirectory } from './upper-directory.ts';

/** The name of a back-end, best first. */
export const BACKEND_NAMES = ['erofs', 'erofs-loop', 'directory'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];

/** The files of an image's root file system; absolute paths. */
export interface RootfsFiles {
  /** The EROFS metadata image. */
  readonly imageFile: string;
  /** The layer data files, in the order that `rootfsDevices` gives. */
  readonly dataFiles: readonly string[];
  /** The tree as a plain directory, which only the `directory` back-end reads. */
  readonly directory: string;
}

/** A back-end, and one sentence that says why it is this one. */
export interface BackendChoice {
  readonly name: BackendName;
  readonly reason: string;
}

const PROBES: Readonly<Record<BackendName, (storeDir: string) => ProbeResult>> = {
  erofs: probeErofsFile,
  'erofs-loop': probeErofsLoop,
  directory: () => ({ ok: true }),
};

const REASONS: Readonly<Record<BackendName, string>> = {
  erofs: 'the kernel mounts EROFS images from files here',
  'erofs-loop': 'the kernel mounts EROFS images from loop devices here',
  directory: 'a plain directory needs nothing of the kernel but overlay',
};

/**
 * The best back-end that works for a store in `storeDir`, found by trying; what is tried leaves
 * nothing behind. It takes some milliseconds, so a caller that starts often keeps the answer.
 *
 * @param forced the only back-end to try.
 * @throws EngineError `ROOTFS_UNAVAILABLE` when the forced one does not work, or none does.
 */
export function chooseBackend(storeDir: string, forced?: BackendName): BackendChoice {
  const overlay = probeOverlay(storeDir);
  if (!overlay.ok) {
    throw new EngineError(
      'ROOTFS_UNAVAILABLE',
      `the store ${quote(storeDir)} cannot hold the writable layer of a container: ${overlay.reason}`,
      { hint: 'Keep the store on ext4, xfs or btrfs: set --root or DRAY_ROOT.' },
    );
  }
  const failures: string[] = [];
  for (const name of forced === undefined ? BACKEND_NAMES : [forced]) {
    const result = PROBES[name](storeDir);
    if (result.ok) return { name, reason: [REASONS[name], ...failures].join('; ') };
    failures.push(`${name} does not work here: ${result.reason}`);
  }
  throw new EngineError(
    'ROOTFS_UNAVAILABLE',
    `the root file system back-end ${failures.join('; ')}`,
    {
      hint: 'Leave out --rootfs-backend to let dray choose.',
    },
  );
}

/** What to mount, and where; absolute paths to directories that exist. */
export interface MountPlan {
  readonly backend: BackendName;
  readonly files: RootfsFiles;
  /** Where the EROFS file system goes; the `directory` back-end leaves it alone. */
  readonly lowerMountPoint: string;
  readonly upperDir: string;
  readonly workDir: string;
  /** Where the root of the container goes. */
  readonly mountPoint: string;
  /** The upper directory is thrown away after use, and need never reach the disk. */
  readonly volatile: boolean;
}

/**
 * Mounts a root file system: the image, read-only, and an overlay on it. A fresh upper directory
 * takes over the attributes of the image's root. The caller must be in a mount namespace of its own, so that the mounts end with it. After a failure nothing is mounted.
 *
 * @throws SystemCallError as the kernel says; errno `ENOTBLK` when it does not mount files from the
 * file system that holds them.
 */
export function mountRootfs(plan: MountPlan): void {
  const { backend, files, lowerMountPoint, upperDir, workDir, mountPoint, volatile } = plan;
  const mountUpper = (lowerDir: string): void => {
    dressUpperDirectory(lowerDir, { upperDir, workDir });
    mountOverlay({ lowerDirs: [lowerDir], upperDir, workDir, mountPoint, volatile });
  };
  if (backend === 'directory') {
    mountUpper(files.directory);
    return;
  }
  const { imageFile, dataFiles } = files;
  const mountLower = backend === 'erofs' ? mountErofs : mountErofsOverLoop;
  mountLower({ imageFile, dataFiles, mountPoint: lowerMountPoint });
  try {
    mountUpper(lowerMountPoint);
  } catch (error) {
    unmount(lowerMountPoint, { detach: true });
    throw error;
  }
}
