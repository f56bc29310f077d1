/**
 * What a container changed: its overlay's upper directory against the image below.
 *
 * overlayfs keeps a removed name as a character device 0:0 and marks a directory that hides what the
 * image has in it with the xattr `trusted.overlay.opaque` (kernel, filesystems/overlayfs.rst).
 */
import { type BigIntStats, closeSync, constants, lstatSync, readdirSync } from 'node:fs';
import { hasErrno } from '../errors.ts';
import { getXattr, isErrno, listXattrs, openInRoot } from '../host/libc.ts';
import { EntryType, type Xattr } from '../oci/layer-index.ts';
import { childPath, descriptorPath, type LiveEntry, walkLive } from './live-tree.ts';
import { parentOf } from './resolve-path.ts';

/** What became of a path. */
export type ChangeKind = 'added' | 'changed' | 'deleted';

/** The two directories that are compared, and what is not the container's doing. */
export interface UpperView {
  readonly upperFd: number;
  readonly lowerFd: number;
  /**
   * Where something was mounted, as absolute paths: an empty file or directory that was made there
   * for the mount is no change.
   */
  readonly mountPoints: readonly string[];
}

const OPAQUE = 'trusted.overlay.opaque';

/**
 * Every changed path, relative and latin1, in the order of a walk. A directory in which something
 * changed has changed itself; the root has the empty path and is there only if it did itself.
 *
 * @throws SystemCallError
 */
export function upperChanges(view: UpperView): Map<string, ChangeKind> {
  const found = new Map<string, FoundChange>();
  const mountPoints = new Set(view.mountPoints.map((path) => latin1(path).slice(1)));
  for (const entry of walkLive(view.upperFd)) {
    const parent = found.get(parentOf(entry.path));
    const change = compare(entry, parent, { view, mountPoints });
    found.set(entry.path, change);
    if (change.isOpaque && change.lower?.isDirectory()) addHidden(entry.path, view, found);
  }
  dropMadeForMounts(found, mountPoints);
  return settled(found);
}

/** Whether an entry of an upper directory says that its name was removed. */
export function isWhiteout({ node }: LiveEntry): boolean {
  return node.type === EntryType.characterDevice && node.major === 0 && node.minor === 0;
}

/** Whether a directory of an upper directory hides all that the image has in it. */
export function isOpaque({ node }: LiveEntry): boolean {
  return (
    node.type === EntryType.directory &&
    node.xattrs.some(({ name, value }) => name === OPAQUE && value.toString('latin1') === 'y')
  );
}

/** The attributes that are the container's own and can be in a layer, in the order of their names. */
export function ownXattrs(xattrs: readonly Xattr[]): Xattr[] {
  return xattrs
    .filter(({ name }) => /^(user\.|security\.capability$|system\.posix_acl_)/.test(name))
    .filter(({ name }) => !name.startsWith('user.overlay.'))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

interface FoundChange {
  /** Undefined: nothing but its place in the tree. */
  kind: ChangeKind | undefined;
  readonly isDirectory: boolean;
  readonly isOpaque: boolean;
  /** Whether it looks like what is made for a mount: nothing in it, and only root's. */
  readonly isBare: boolean;
  /** What the image has there; undefined when nothing. */
  readonly lower: BigIntStats | undefined;
}

interface Comparison {
  readonly view: UpperView;
  readonly mountPoints: ReadonlySet<string>;
}

function compare(
  entry: LiveEntry,
  parent: FoundChange | undefined,
  { view, mountPoints }: Comparison,
): FoundChange {
  const { path, node } = entry;
  const isDirectory = node.type === EntryType.directory;
  // Below anything but a directory the image has nothing of this path; its links are not followed.
  const hasLower = path === '' || parent?.lower?.isDirectory() === true;
  const lower = hasLower ? lstatIn(view.lowerFd, path) : undefined;
  const isRootsOwn = node.uid === 0 && node.gid === 0;
  const size = node.type === EntryType.file ? node.sizeBytes : 0;
  const change = {
    isDirectory,
    isOpaque: isOpaque(entry),
    isBare: isRootsOwn && size === 0 && (isDirectory || node.type === EntryType.file),
    lower,
  };
  if (isWhiteout(entry)) return { ...change, kind: lower === undefined ? undefined : 'deleted' };
  if (lower === undefined) return { ...change, kind: 'added' };
  const isMerged = isDirectory && lower.isDirectory() && !change.isOpaque;
  const isSame = isMerged && hasSameAttributes(entry, lower, { view, mountPoints });
  return { ...change, kind: isSame ? undefined : 'changed' };
}

const NANOSECONDS = 1_000_000_000n;

function hasSameAttributes(
  { path, node }: LiveEntry,
  lower: BigIntStats,
  { view, mountPoints }: Comparison,
): boolean {
  const isOwner = BigInt(node.uid) === lower.uid && BigInt(node.gid) === lower.gid;
  const isMode = node.mode === (Number(lower.mode) & 0o7777);
  const mtime = BigInt(node.mtimeSeconds) * NANOSECONDS + BigInt(node.mtimeNanoseconds);
  // What is made for a mount changes the time of the directory around it.
  const isAroundMount = [...mountPoints].some((mountPoint) => parentOf(mountPoint) === path);
  const isTime = mtime === lower.mtimeNs || isAroundMount || path === '';
  return isOwner && isMode && isTime && hasSameXattrs(node.xattrs, view.lowerFd, path);
}

function hasSameXattrs(upper: readonly Xattr[], lowerFd: number, path: string): boolean {
  const place = lowerPath(lowerFd, path);
  const lower = ownXattrs(
    listXattrs(place).map((name) => ({
      name: name.toString('latin1'),
      value: getXattrOrNothing(place, name),
    })),
  );
  const own = ownXattrs(upper);
  return (
    own.length === lower.length &&
    own.every(({ name, value }, at) => name === lower[at]?.name && value.equals(lower[at].value))
  );
}

function getXattrOrNothing(place: Buffer, name: Buffer): Buffer {
  try {
    return getXattr(place, name);
  } catch (error) {
    if (isErrno(error, 'ENODATA') || isErrno(error, 'ENOTSUP')) return Buffer.alloc(0);
    throw error;
  }
}

/** The names of the image that an opaque directory hides, unless it has them again. */
function addHidden(path: string, view: UpperView, found: Map<string, FoundChange>): void {
  const prefix = path === '' ? '' : `${path}/`;
  const here = namesInUpper(view.upperFd, path);
  for (const bytes of readdirSync(lowerPath(view.lowerFd, path), 'buffer')) {
    const name = bytes.toString('latin1');
    if (here.has(name)) continue;
    const gone = { kind: 'deleted', isDirectory: false, isOpaque: false, isBare: false } as const;
    found.set(`${prefix}${name}`, { ...gone, lower: undefined });
  }
}

// The container may have put a link there by now; the kernel keeps that inside the directory.
function namesInUpper(upperFd: number, path: string): Set<string> {
  const fd = openInRoot(upperFd, Buffer.from(`/${path}`, 'latin1'), constants.O_DIRECTORY);
  try {
    const names = readdirSync(descriptorPath(fd), 'buffer');
    return new Set(names.map((name) => name.toString('latin1')));
  } finally {
    closeSync(fd);
  }
}

/** Takes out what was made for a mount, and directories that were made only to lead there. */
function dropMadeForMounts(
  found: Map<string, FoundChange>,
  mountPoints: ReadonlySet<string>,
): void {
  const ways = new Set<string>();
  for (const mountPoint of mountPoints) {
    for (let path = mountPoint; path !== ''; path = parentOf(path)) ways.add(path);
  }
  const inhabited = new Set<string>();
  for (const [path, change] of [...found].reverse()) {
    const isMade = change.kind === 'added' && change.isBare && ways.has(path);
    const isEnd = mountPoints.has(path) || change.isDirectory;
    if (isMade && isEnd && !inhabited.has(path)) found.delete(path);
    else if (change.kind !== undefined || inhabited.has(path)) inhabited.add(parentOf(path));
  }
}

function settled(found: ReadonlyMap<string, FoundChange>): Map<string, ChangeKind> {
  const isChangedInside = new Set<string>();
  for (const [path, { kind }] of found) {
    if (kind === undefined) continue;
    for (let at = path; at !== ''; at = parentOf(at)) isChangedInside.add(parentOf(at));
  }
  const changes = new Map<string, ChangeKind>();
  for (const [path, { kind }] of found) {
    if (kind !== undefined) changes.set(path, kind);
    else if (path !== '' && isChangedInside.has(path)) changes.set(path, 'changed');
  }
  return changes;
}

function lstatIn(fd: number, path: string): BigIntStats | undefined {
  try {
    return lstatSync(lowerPath(fd, path), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (hasErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

function lowerPath(fd: number, path: string): Buffer {
  return childPath(fd, Buffer.from(path === '' ? '.' : path, 'latin1'));
}

function latin1(path: string): string {
  return Buffer.from(path).toString('latin1');
}
