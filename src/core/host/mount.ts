/**
 * The mounts that a root file system is made of. All are made in the mount namespace of the main
 * thread: call `unsharePrivateMounts` first and none of them is ever seen by the host, and all end
 * with the process.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { release } from 'node:os';
import {
  attachMount,
  createDetachedMount,
  LONGEST_OPTION,
  MountAttribute,
  type MountOption,
} from './file-system-context.ts';
import {
  mountCall,
  O_PATH,
  pageSize,
  quotePath,
  SystemCallError,
  unmountCall,
  withSystemErrors,
} from './libc.ts';
import { attachLoopDevice } from './loop-device.ts';

const EROFS_BLOCK_SIZE = 4096;

/** An EROFS image whose files lie in other files. All paths are absolute. */
export interface ErofsMount {
  /** The image: all metadata. */
  readonly imageFile: string;
  /** The extra devices of the image, in the order of its device table; the kernel checks no more. */
  readonly dataFiles: readonly string[];
  /** The directory to mount on. */
  readonly mountPoint: string;
}

/**
 * Mounts an EROFS image straight from its files (Linux 6.12 and newer), read-only, without setuid
 * bits and devices: an overlay on top of it shows both again. The files may be unlinked while
 * mounted.
 *
 * @throws SystemCallError: `ENOTBLK` where the kernel cannot mount files or the image lies on
 * tmpfs or overlayfs, `EINVAL` when the number of data files is not that of the image.
 */
export function mountErofs(mount: ErofsMount): void {
  assertErofsFilesAreSafe();
  using names = new MountNames();
  attachErofs(mount, (file) => names.fileName(file));
}

/**
 * Refuses the kernels that panic when an EROFS of blocks smaller than a page is mounted from a file
 * (CVE-2024-56750), where trying would be fatal. Ours are 4096 bytes.
 *
 * @throws SystemCallError `ENOTSUP`.
 */
export function assertErofsFilesAreSafe(
  kernel = { release: release(), pageSize: pageSize() },
): void {
  if (kernel.pageSize > EROFS_BLOCK_SIZE && /^6\.12\.[01](?!\d)/.test(kernel.release)) {
    const failure = { call: 'fsopen', errno: 'ENOTSUP' };
    throw new SystemCallError(failure, `as Linux ${kernel.release} would panic (CVE-2024-56750)`);
  }
}

/**
 * Mounts an EROFS image through one read-only loop device for each file; they go with the mount.
 * Otherwise as `mountErofs`.
 */
export function mountErofsOverLoop(mount: ErofsMount): void {
  using devices = new DisposableStack();
  attachErofs(mount, (file) => devices.use(attachLoopDevice(file)).path);
}

/** The options that make an EROFS image of `imageFile` and `dataFiles`, each named by `nameOf`. */
export function erofsOptions(
  imageFile: string,
  dataFiles: readonly string[],
  nameOf: (file: string) => string,
): MountOption[] {
  return [
    // A read-only block device is refused without it.
    ['ro'],
    ['source', nameOf(imageFile)],
    ...dataFiles.map((file): MountOption => ['device', nameOf(file)]),
  ];
}

/** How EROFS is mounted. */
export const EROFS_ATTRIBUTES =
  MountAttribute.readOnly | MountAttribute.noSuid | MountAttribute.noDev;

function attachErofs(
  { imageFile, dataFiles, mountPoint }: ErofsMount,
  nameOf: (file: string) => string,
): void {
  const options = erofsOptions(imageFile, dataFiles, nameOf);
  using mount = createDetachedMount('erofs', options, EROFS_ATTRIBUTES);
  attachMount(mount, mountPoint);
}

/** A writable directory over read-only ones. All paths are absolute. */
export interface OverlayMount {
  /** Uppermost first. */
  readonly lowerDirs: readonly string[];
  readonly upperDir: string;
  /** Empty, and on the file system of `upperDir`. */
  readonly workDir: string;
  readonly mountPoint: string;
  /** The upper directory is thrown away afterwards: nothing is synced, not even on unmount. */
  readonly volatile: boolean;
}

/**
 * Mounts an overlay. Nothing that a lower directory contains can steer it: redirects, metadata-only
 * copies and the index are off. Paths may have any character.
 *
 * @throws SystemCallError.
 */
export function mountOverlay(overlay: OverlayMount): void {
  using names = new MountNames();
  const options = overlayOptions(overlay, names);
  using mount = createDetachedMount('overlay', options, 0);
  attachMount(mount, overlay.mountPoint);
}

/** The options of an overlay; `names` must live until it is created. */
export function overlayOptions(
  overlay: Omit<OverlayMount, 'mountPoint'>,
  names: MountNames,
): MountOption[] {
  return [
    ['source', 'overlay'],
    ...lowerOptions(overlay.lowerDirs.map((directory) => names.directoryName(directory))),
    ['upperdir', names.directoryName(overlay.upperDir)],
    ['workdir', names.directoryName(overlay.workDir)],
    ['redirect_dir', 'nofollow'],
    ['metacopy', 'off'],
    ['index', 'off'],
    // With xino, inode numbers have their highest bit set, and programs that hold them in a
    // double (Node's own fs.Stats) take different files for one.
    ['xino', 'off'],
    ...(overlay.volatile ? [['volatile'] as const] : []),
  ];
}

// One option takes every kernel that has the calls, but holds 255 bytes; one for each directory
// needs Linux 6.8. Docker's many lower directories become one here, so the first is the rule.
function lowerOptions(names: readonly string[]): MountOption[] {
  const joined = names.join(':');
  return Buffer.byteLength(joined) <= LONGEST_OPTION
    ? [['lowerdir', joined]]
    : names.map((name): MountOption => ['lowerdir+', name]);
}

/**
 * Names by which mount options can call files: the path itself where that is safe, else a name in
 * /proc of a descriptor, which is short and has no character that an option parser would take for
 * its own. Holds those descriptors until disposed.
 */
export class MountNames implements Disposable {
  readonly #descriptors: number[] = [];

  /** A name for a file whose option takes any character. */
  fileName(path: string): string {
    return Buffer.byteLength(path) <= LONGEST_OPTION ? path : this.#open(path, constants.O_RDONLY);
  }

  /** A name for a directory of an overlay, where `\`, `,` and `:` have meanings. */
  directoryName(path: string): string {
    return Buffer.byteLength(path) <= LONGEST_OPTION && !/[\\,:]/.test(path)
      ? path
      : this.#open(path, O_PATH | constants.O_DIRECTORY);
  }

  #open(path: string, flags: number): string {
    const fd = withSystemErrors(`on ${quotePath(path)}`, () => openSync(path, flags));
    this.#descriptors.push(fd);
    return `/proc/self/fd/${fd}`;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#descriptors.splice(0)) {
      closeSync(fd);
    }
  }
}

/** Limits of a tmpfs. */
export interface TmpfsOptions {
  /** Permission bits of its root. */
  readonly mode: number;
  /** The most that it can hold; without it half of the memory. */
  readonly sizeBytes?: number;
}

/**
 * Mounts a new, empty tmpfs without setuid bits and devices.
 *
 * @throws SystemCallError.
 */
export function mountTmpfs(mountPoint: string, { mode, sizeBytes }: TmpfsOptions): void {
  const options: MountOption[] = [
    ['source', 'tmpfs'],
    ['mode', mode.toString(8)],
    ...(sizeBytes === undefined ? [] : [['size', String(sizeBytes)] as const]),
  ];
  using mount = createDetachedMount('tmpfs', options, MountAttribute.noSuid | MountAttribute.noDev);
  attachMount(mount, mountPoint);
}

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/**
 * Unmounts what is mounted on `path`. With `detach` it disappears at once and is let go when nobody
 * uses it any more; without, `EBUSY` if somebody does.
 *
 * @throws SystemCallError; `EINVAL` when nothing is mounted there.
 */
export function unmount(
  path: string,
  { detach = false }: { readonly detach?: boolean } = {},
): void {
  unmountCall(path, detach ? UMOUNT_NOFOLLOW | MNT_DETACH : UMOUNT_NOFOLLOW);
}

const MS_BIND = 0x1000;
const MS_REC = 0x4000;

/**
 * Mounts what is at `source`, with all mounts below it, on `target` as well. `source` may be the
 * path of a descriptor in /proc/self/fd: then it is that very file.
 *
 * @throws SystemCallError.
 */
export function mountBind(source: string, target: string): void {
  mountCall(source, target, { type: null, flags: MS_BIND | MS_REC, data: null });
}
