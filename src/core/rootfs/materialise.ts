/**
 * Writes a tree into a plain directory, for hosts that cannot mount it.
 *
 * Every path is made of directories that this module has just made, so no symlink of the image is
 * ever followed. Owner, then xattrs, then mode: a change of owner clears setuid bits and file
 * capabilities. Directories get their attributes last, since what is made in them changes their
 * times and takes over their default ACLs.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { mknod, setTimes, setXattr } from '../host/libc.ts';
import { EntryType } from '../oci/layer-index.ts';
import { DataFiles } from './data-files.ts';
import { formatBits } from './erofs-format.ts';
import { LongPaths } from './long-paths.ts';
import {
  type DirectoryNode,
  type FileNode,
  type LinkableNode,
  type RootfsNode,
  type RootfsTree,
  walkTree,
} from './tree.ts';

/** Options of `materialiseTree`. */
export interface MaterialiseOptions {
  /** The layers' data files, lowest layer first. */
  readonly dataFiles: readonly string[];
  /** An empty directory that nobody else can write to; it becomes the root. */
  readonly directory: string;
  readonly signal?: AbortSignal;
}

/** How long the event loop may wait for a turn. */
const TURN_MS = 20;
const COPY_BYTES = 256 * 1024;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Makes `directory` the root of the tree: every type, owner, mode, xattr, device number, hard link
 * and time with its nanoseconds. Nothing is synced; after a failure, a crash or an abort the
 * directory is incomplete and the caller removes it.
 *
 * @throws EngineError `STORE_CORRUPT` when a data file is too short; `HOST_CALL_FAILED` and system
 * errors when the file system cannot hold the tree; the signal's reason.
 */
export async function materialiseTree(
  tree: RootfsTree,
  options: MaterialiseOptions,
): Promise<void> {
  using dataFiles = new DataFiles((layer) => options.dataFiles[layer] ?? '');
  using paths = new LongPaths(options.directory);
  const copy: Copy = { dataFiles, paths, buffer: Buffer.allocUnsafe(COPY_BYTES) };
  const directories: { path: string; node: DirectoryNode }[] = [];
  const firstPaths = new Map<RootfsNode, string>();
  let turnEnds = performance.now() + TURN_MS;
  for (const { path, node } of walkTree(tree)) {
    if (performance.now() > turnEnds) {
      await nextTurn();
      options.signal?.throwIfAborted();
      turnEnds = performance.now() + TURN_MS;
    }
    if (node.type === EntryType.directory) {
      if (path !== '') mkdirSync(paths.of(path), { mode: 0o700 });
      directories.push({ path, node });
      continue;
    }
    const firstPath = firstPaths.get(node);
    if (firstPath !== undefined) linkSync(paths.of(firstPath), paths.of(path));
    else {
      if (node.hasLinks) firstPaths.set(node, path);
      makeNode(copy, path, node);
    }
  }
  for (const { path, node } of directories.reverse()) finishDirectory(paths.of(path), node);
}

/** What copying needs. */
interface Copy {
  readonly dataFiles: DataFiles;
  readonly paths: LongPaths;
  readonly buffer: Buffer;
}

function makeNode(copy: Copy, path: string, node: LinkableNode): void {
  const hostPath = copy.paths.of(path);
  if (node.type === EntryType.file) {
    makeFile(copy, hostPath, node);
  } else if (node.type === EntryType.symlink) {
    symlinkSync(Buffer.from(node.target, 'latin1'), hostPath);
    lchownSync(hostPath, node.uid, node.gid);
    setXattrs(hostPath, node);
  } else {
    const device = node.type === EntryType.fifo ? { major: 0, minor: 0 } : node;
    mknod(hostPath, formatBits(node.type) | 0o600, device);
    lchownSync(hostPath, node.uid, node.gid);
    setXattrs(hostPath, node);
    chmodSync(hostPath, node.mode);
  }
  setTimes(hostPath, node.mtimeSeconds, node.mtimeNanoseconds);
}

function makeFile(copy: Copy, hostPath: Buffer, node: FileNode): void {
  const descriptor = openSync(hostPath, NEW_FILE, 0o600);
  try {
    copyContent(copy, node, descriptor);
    fchownSync(descriptor, node.uid, node.gid);
    setXattrs(hostPath, node);
    fchmodSync(descriptor, node.mode);
  } finally {
    closeSync(descriptor);
  }
}

const ZEROS = Buffer.alloc(COPY_BYTES);

/** Runs of zeros become holes. */
function copyContent(copy: Copy, node: FileNode, descriptor: number): void {
  const { buffer, dataFiles } = copy;
  let end = 0;
  for (let position = 0; position < node.sizeBytes; ) {
    const count = dataFiles.read(node, position, { buffer, offset: 0, length: COPY_BYTES });
    if (buffer.compare(ZEROS, 0, count, 0, count) !== 0) {
      writeFully(descriptor, buffer.subarray(0, count), position);
      end = position + count;
    }
    position += count;
  }
  if (end < node.sizeBytes) ftruncateSync(descriptor, node.sizeBytes);
}

function writeFully(descriptor: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
  }
}

function setXattrs(hostPath: Buffer, node: RootfsNode): void {
  for (const { name, value } of node.xattrs) {
    setXattr(hostPath, Buffer.from(name, 'latin1'), value);
  }
}

function finishDirectory(hostPath: Buffer, node: DirectoryNode): void {
  lchownSync(hostPath, node.uid, node.gid);
  setXattrs(hostPath, node);
  chmodSync(hostPath, node.mode);
  setTimes(hostPath, node.mtimeSeconds, node.mtimeNanoseconds);
}
