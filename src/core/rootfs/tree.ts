/**
 * The merged tree of an image: what its root file system holds, before any back-end writes it.
 *
 * A name is a key of its directory's `children`; everything else belongs to the node, so a hard link
 * group is one node under several names. Names, symlink targets and xattr names are latin1 strings
 * of their bytes. File contents stay in the layer data files: a file says which layer, and at which
 * block.
 */
import { EntryType, type Xattr } from '../oci/layer-index.ts';

/** What every node has, whatever its type. */
export interface NodeAttributes {
  /** Permission bits, 0 to 07777. */
  mode: number;
  uid: number;
  gid: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  xattrs: readonly Xattr[];
}

/** What every node but a directory has. */
interface Linkable extends NodeAttributes {
  /**
   * Whether a hard link ever named this node. Then it may have several names, or one again when a
   * later layer hid the others; without it the node has exactly one name.
   */
  hasLinks: boolean;
}

/** A regular file; its bytes are in the data file of `layer`, from `block` on. */
export interface FileNode extends Linkable {
  readonly type: typeof EntryType.file;
  readonly sizeBytes: number;
  /** Index of the layer, lowest layer 0. */
  readonly layer: number;
  /** First block in the layer data file; meaningless when `sizeBytes` is 0. */
  readonly block: number;
}

/** A symbolic link; the target is verbatim. */
export interface SymlinkNode extends Linkable {
  readonly type: typeof EntryType.symlink;
  readonly target: string;
}

/** A character or block device. */
export interface DeviceNode extends Linkable {
  readonly type: typeof EntryType.characterDevice | typeof EntryType.blockDevice;
  readonly major: number;
  readonly minor: number;
}

/** A named pipe. */
export interface FifoNode extends Linkable {
  readonly type: typeof EntryType.fifo;
}

/** A directory; it has exactly one name. */
export interface DirectoryNode extends NodeAttributes {
  readonly type: typeof EntryType.directory;
  readonly children: Map<string, RootfsNode>;
}

/** Every node that a hard link can name. */
export type LinkableNode = FileNode | SymlinkNode | DeviceNode | FifoNode;
/** Anything in a tree. */
export type RootfsNode = LinkableNode | DirectoryNode;

/** The merged tree of all layers of an image. */
export interface RootfsTree {
  readonly root: DirectoryNode;
}

/** A node met on a walk. `path` is relative to the root, which itself has the empty path. */
export interface WalkedNode {
  readonly path: string;
  readonly node: RootfsNode;
}

/** Names in a directory, in byte order. */
export function sortedNames(directory: DirectoryNode): string[] {
  return [...directory.children.keys()].sort();
}

/**
 * Every name in the tree, each directory before what is in it, siblings in byte order. A node with
 * several names comes once for each.
 */
export function* walkTree(tree: RootfsTree): Generator<WalkedNode, void, undefined> {
  yield { path: '', node: tree.root };
  // A stack of its own: a hostile image may nest deeper than the call stack allows.
  const stack = [{ prefix: '', directory: tree.root, names: sortedNames(tree.root), next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const name = top.names[top.next];
    top.next += 1;
    const node = name === undefined ? undefined : top.directory.children.get(name);
    if (node === undefined) {
      stack.pop();
      continue;
    }
    const path = `${top.prefix}${name}`;
    yield { path, node };
    if (node.type === EntryType.directory) {
      stack.push({ prefix: `${path}/`, directory: node, names: sortedNames(node), next: 0 });
    }
  }
}

/** The first path of `wanted` in the tree, for an error message; empty for the root. */
export function pathOf(tree: RootfsTree, wanted: RootfsNode): string {
  for (const { path, node } of walkTree(tree)) if (node === wanted) return path;
  return '';
}
