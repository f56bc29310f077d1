/**
 * Reading a directory tree that somebody else may be changing, such as the root of a running
 * container.
 *
 * Every name is opened below the open directory that holds it, one component at a time, and no
 * symbolic link is ever followed. So whatever is swapped meanwhile, only what is below the given
 * directory is read; at worst an entry is missed.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  statfsSync,
} from 'node:fs';
import { EngineError, hasErrno, quoteBytes } from '../errors.ts';
import { deviceNumber } from '../host/device-number.ts';
import { getXattr, isErrno, listXattrs, O_PATH } from '../host/libc.ts';
import { EntryType, type Xattr } from '../oci/layer-index.ts';
import { DirectoryStack } from './directory-stack.ts';
import type { DirectoryNode, NodeAttributes, RootfsNode } from './tree.ts';

/** Anything in a live tree, as it was when the walk came by. */
export interface LiveEntry {
  /** Relative to where the walk began, which has the empty path; a latin1 string. */
  readonly path: string;
  /** Its attributes. A directory's has no children; a file's content is read through `open`. */
  readonly node: RootfsNode;
  /** The same for all names of one hard link group; undefined for what has one name. */
  readonly linkKey: string | undefined;
  /** Whether a file has holes. */
  readonly isSparse: boolean;
  /** Opens a regular file to read; the caller closes it. Only until the walk goes on. */
  open(): number;
}

/** How a tree is walked. */
export interface WalkOptions {
  /** Told about each name that is passed over, as it cannot be copied: sockets. */
  readonly onSkipped?: (path: string) => void;
  /** Where `fd` lies, not following a link, when it is no directory. */
  readonly place?: Buffer;
}

const NO_CHILDREN: DirectoryNode['children'] = new Map();
const MOST_LEVELS = 4096;
const BLOCK_BYTES = 512;

/** File systems that show the kernel, not files (statfs(2)). */
const KERNEL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x19800202, 0x73636673, 0x64626720, 0x74726163,
  0xcafe4a11,
]);

/**
 * The directory `fd` and all below it, each directory before what is in it, siblings in byte order.
 * Mounts are walked into, but not those that show the kernel (/proc, /sys). `fd` stays the caller's.
 *
 * @throws SystemCallError; EngineError `HOST_CALL_FAILED` for a tree of more than 4096 levels
 */
export function* walkLive(
  fd: number,
  options: WalkOptions = {},
): Generator<LiveEntry, void, undefined> {
  const top = fstatSync(fd, { bigint: true });
  const place = top.isDirectory() ? childPath(fd, Buffer.from('.')) : options.place;
  const root = describe(top, { path: '', place: place ?? descriptorPath(fd), fd });
  if (root !== undefined) yield root;
  if (root?.node.type !== EntryType.directory) return;
  using stack = new DirectoryStack(fd);
  const levels = [{ prefix: '', names: namesIn(fd), next: 0, device: top.dev }];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const name = level.names[level.next];
    level.next += 1;
    if (name === undefined) {
      levels.pop();
      if (levels.length > 0) stack.leave();
      continue;
    }
    const path = `${level.prefix}${name.toString('latin1')}`;
    const found = openChild(stack, name);
    if (found === undefined) continue;
    try {
      const place = childPath(stack.fd, name);
      const stats = fstatSync(found, { bigint: true });
      const entry = describe(stats, { path, place, fd: found });
      if (entry === undefined) options.onSkipped?.(path);
      else yield entry;
      if (!stats.isDirectory() || isKernels(found, stats.dev !== level.device)) continue;
      if (levels.length >= MOST_LEVELS) throw tooDeep(path);
      if (!stack.enter(name)) continue;
      levels.push({ prefix: `${path}/`, names: namesIn(found), next: 0, device: stats.dev });
    } finally {
      closeSync(found);
    }
  }
}

/** The path of a name in an open directory: one component, so nothing is left to redirect. */
export function childPath(directory: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

/** The path of an open file itself. */
export function descriptorPath(fd: number): Buffer {
  return Buffer.from(`/proc/self/fd/${fd}`);
}

/** Opens a name for a look, a link not followed; undefined when it is gone. */
function openChild(stack: DirectoryStack, name: Buffer): number | undefined {
  try {
    return openSync(childPath(stack.fd, name), O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function namesIn(fd: number): Buffer[] {
  return readdirSync(descriptorPath(fd), 'buffer').sort(Buffer.compare);
}

function isKernels(fd: number, isMount: boolean): boolean {
  return isMount && KERNEL_FILE_SYSTEMS.has(statfsSync(descriptorPath(fd)).type);
}

interface Found {
  readonly path: string;
  /** Where it lies, for calls that take no descriptor. */
  readonly place: Buffer;
  readonly fd: number;
}

function describe(stats: BigIntStats, { path, place, fd }: Found): LiveEntry | undefined {
  const node = nodeOf(stats, place);
  if (node === undefined) return undefined;
  const isLinked = !stats.isDirectory() && stats.nlink > 1n;
  return {
    path,
    node,
    linkKey: isLinked ? `${stats.dev}:${stats.ino}` : undefined,
    isSparse: stats.isFile() && stats.blocks * BigInt(BLOCK_BYTES) < stats.size,
    // The descriptor pins the file, so this opens the very file that was looked at.
    open: () => openSync(descriptorPath(fd), constants.O_RDONLY | constants.O_NONBLOCK),
  };
}

const NANOSECONDS = 1_000_000_000n;

function nodeOf(stats: BigIntStats, place: Buffer): RootfsNode | undefined {
  const nanoseconds = ((stats.mtimeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  const attributes = (): NodeAttributes & { hasLinks: boolean } => ({
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtimeSeconds: Number((stats.mtimeNs - nanoseconds) / NANOSECONDS),
    mtimeNanoseconds: Number(nanoseconds),
    xattrs: xattrsOf(place),
    hasLinks: stats.nlink > 1n,
  });
  if (stats.isFile()) {
    const sizeBytes = Number(stats.size);
    return { ...attributes(), type: EntryType.file, sizeBytes, layer: 0, block: 0 };
  }
  if (stats.isDirectory()) {
    return { ...attributes(), type: EntryType.directory, children: NO_CHILDREN };
  }
  if (stats.isSymbolicLink()) {
    const target = linkTarget(place);
    return target === undefined ? undefined : { ...attributes(), type: EntryType.symlink, target };
  }
  if (stats.isFIFO()) return { ...attributes(), type: EntryType.fifo };
  if (stats.isSocket()) return undefined;
  const type = stats.isCharacterDevice() ? EntryType.characterDevice : EntryType.blockDevice;
  return { ...attributes(), type, ...deviceNumber(stats.rdev) };
}

function linkTarget(place: Buffer): string | undefined {
  try {
    return readlinkSync(place, 'buffer').toString('latin1');
  } catch (error) {
    // Something else has its name by now.
    if (hasErrno(error, 'EINVAL') || hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function xattrsOf(place: Buffer): Xattr[] {
  try {
    return listXattrs(place).flatMap((name) => {
      const value = xattrOf(place, name);
      return value === undefined ? [] : [{ name: name.toString('latin1'), value }];
    });
  } catch (error) {
    if (['ENOTSUP', 'ENOENT', 'EACCES'].some((code) => isErrno(error, code))) return [];
    throw error;
  }
}

function xattrOf(place: Buffer, name: Buffer): Buffer | undefined {
  try {
    return getXattr(place, name);
  } catch (error) {
    if (['ENODATA', 'ENOTSUP', 'ENOENT', 'EPERM'].some((code) => isErrno(error, code))) {
      return undefined;
    }
    throw error;
  }
}

function tooDeep(path: string): EngineError {
  return new EngineError(
    'HOST_CALL_FAILED',
    `the directory ${quoteBytes(path)} is more than ${MOST_LEVELS} levels deep`,
  );
}
