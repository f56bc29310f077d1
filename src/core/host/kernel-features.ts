/**
 * What this kernel can do, found out by asking it rather than by its version: distributions carry
 * drivers back, and containers take rights away.
 */
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../errors.ts';
import { TEMPORARY_PREFIX } from './atomic-file.ts';
import { PROBE_CONTENT, PROBE_FILE_NAME, probeData, probeImage } from './erofs-probe-image.ts';
import {
  canOpenFileSystem,
  createDetachedMount,
  type DetachedMount,
} from './file-system-context.ts';
import { openInRoot, quotePath, withSystemErrors } from './libc.ts';
import { attachLoopDevice } from './loop-device.ts';
import {
  assertErofsFilesAreSafe,
  EROFS_ATTRIBUTES,
  erofsOptions,
  MountNames,
  overlayOptions,
} from './mount.ts';

/** Whether something works here, and if not, one sentence that says why. */
export type ProbeResult = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** The kernel's release, such as `6.12.9-amd64`. */
export function kernelRelease(): string {
  return release();
}

// Magic numbers of statfs(2).
const FILE_SYSTEM_TYPES: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x0102_1994, 'tmpfs'],
  [0x794c_7630, 'overlayfs'],
  [0x5846_5342, 'xfs'],
  [0x9123_683e, 'btrfs'],
  [0x2fc1_2fc1, 'zfs'],
  [0xf2f5_2010, 'f2fs'],
  [0xca45_1a4e, 'bcachefs'],
  [0xe0f5_e1e2, 'erofs'],
  [0x7371_7368, 'squashfs'],
  [0x8584_58f6, 'ramfs'],
  [0x6969, 'nfs'],
  [0x6573_5546, 'fuse'],
  [0xff53_4d42, 'cifs'],
  [0xfe53_4d42, 'smb2'],
  [0x0102_1997, '9p'],
  [0x9fa0, 'proc'],
  [0x6265_6572, 'sysfs'],
  [0x0027_e0eb, 'cgroup'],
  [0x6367_7270, 'cgroup2'],
]);

/**
 * The type of the file system that holds `path`, by its magic number: `ext4` stands for ext2 and
 * ext3 too, and an unknown number is given in hexadecimal.
 *
 * @throws SystemCallError when there is nothing at `path`.
 */
export function filesystemType(path: string): string {
  const { type } = withSystemErrors(`on ${quotePath(path)}`, () => statfsSync(path));
  return FILE_SYSTEM_TYPES.get(type) ?? `0x${type.toString(16)}`;
}

/**
 * Whether the kernel has a driver for this type of file system. One that is a module is loaded, by
 * the kernel itself, if we have the right to ask for it.
 */
export function hasFilesystem(type: string): boolean {
  const listed = readFileSync('/proc/filesystems', 'utf8').split('\n');
  return listed.some((line) => line.split('\t')[1] === type) || canOpenFileSystem(type);
}

/** How control groups are mounted; `none` when they are not. */
export type CgroupVersion = 'v1' | 'v2' | 'hybrid' | 'none';

/**
 * Which control groups the host has, from the text of a /proc/self/mounts. `hybrid`: v1 controllers
 * beside a v2 tree that only keeps track of processes.
 */
export function cgroupVersion(mounts = readFileSync('/proc/self/mounts', 'utf8')): CgroupVersion {
  const lines = mounts.split('\n').map((line) => line.split(' '));
  const isUnified = lines.some(([, path, type]) => type === 'cgroup2' && path === '/sys/fs/cgroup');
  if (isUnified) {
    return 'v2';
  }
  const hasType = (wanted: string) => lines.some(([, , type]) => type === wanted);
  if (!hasType('cgroup')) {
    return 'none';
  }
  return hasType('cgroup2') ? 'hybrid' : 'v1';
}

/**
 * Whether an EROFS image and its data files in `directory` can be mounted as they are. Mounts a tiny
 * one where nobody sees it, and reads a file of it. Leaves nothing in `directory`.
 */
export function probeErofsFile(directory: string): ProbeResult {
  return probe(directory, (scratch) => {
    assertErofsFilesAreSafe();
    using names = new MountNames();
    readBack(scratch, (file) => names.fileName(file));
  });
}

/** As `probeErofsFile`, through loop devices. */
export function probeErofsLoop(directory: string): ProbeResult {
  return probe(directory, (scratch) => {
    using devices = new DisposableStack();
    readBack(scratch, (file) => devices.use(attachLoopDevice(file)).path);
  });
}

/**
 * Whether an overlay can have its upper directory in `directory`. Makes one where nobody sees it.
 * Leaves nothing in `directory`.
 */
export function probeOverlay(directory: string): ProbeResult {
  return probe(directory, (scratch) => {
    const makeDirectory = (name: string): string => {
      const path = join(scratch, name);
      mkdirSync(path, { mode: 0o700 });
      return path;
    };
    const overlay = {
      lowerDirs: [makeDirectory('lower')],
      upperDir: makeDirectory('upper'),
      workDir: makeDirectory('work'),
      volatile: true,
    };
    using names = new MountNames();
    createDetachedMount('overlay', overlayOptions(overlay, names), 0)[Symbol.dispose]();
  });
}

function probe(directory: string, attempt: (scratch: string) => void): ProbeResult {
  try {
    withSystemErrors(`while probing in ${quotePath(directory)}`, () => {
      const scratch = mkdtempSync(join(directory, `${TEMPORARY_PREFIX}probe-`));
      try {
        attempt(scratch);
      } finally {
        rmSync(scratch, { recursive: true });
      }
    });
    return { ok: true };
  } catch (error) {
    if (error instanceof EngineError) {
      return { ok: false, reason: error.message };
    }
    throw error;
  }
}

function readBack(scratch: string, nameOf: (file: string) => string): void {
  const imageFile = join(scratch, 'image');
  const dataFile = join(scratch, 'data');
  writeFileSync(imageFile, probeImage());
  writeFileSync(dataFile, probeData());
  const options = erofsOptions(imageFile, [dataFile], nameOf);
  using mount = createDetachedMount('erofs', options, EROFS_ATTRIBUTES);
  if (!readProbeFile(mount).equals(PROBE_CONTENT)) {
    throw new EngineError('HOST_UNSUPPORTED', 'A file of a mounted EROFS has the wrong bytes.');
  }
}

function readProbeFile(mount: DetachedMount): Buffer {
  const fd = openInRoot(mount.fd, PROBE_FILE_NAME, constants.O_RDONLY);
  try {
    const bytes = Buffer.alloc(PROBE_CONTENT.length + 1);
    return bytes.subarray(0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}
