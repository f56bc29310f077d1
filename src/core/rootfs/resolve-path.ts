/**
 * Looking up paths inside a tree, with symlinks resolved inside its root as a kernel would do after
 * a chroot: an absolute target starts at the root and `..` stops there. Only nodes of the tree are
 * ever visited, so no entry of a layer can name anything on the host.
 */
import { EngineError, quoteBytes } from '../errors.ts';
import { EntryType } from '../oci/layer-index.ts';
import type { DirectoryNode, RootfsNode } from './tree.ts';

/** The kernel's own limit (path_resolution(7)). */
const MOST_SYMLINKS = 40;
/** Over this a path is an attack: forty targets could otherwise cost 80,000 steps for each entry. */
const MOST_STEPS = 8192;

/** How `resolveDirectory` treats what it meets. */
export interface ResolveOptions {
  /** Names the entry, for the error; a function, since it is needed next to never. */
  readonly where: () => string;
  /**
   * Makes what is missing, and what is not a directory is replaced by one (an entry below a
   * non-directory replaces it). Without it such a path resolves to `undefined`.
   */
  readonly makeMissing?: () => DirectoryNode;
  /** Asked with the path of the first symlink met; `false` ends the lookup with `undefined`. */
  readonly shouldFollow?: (path: string) => boolean;
}

/**
 * The directory at `path`, which is relative to `root`; every component may be a symlink.
 *
 * @throws EngineError `LAYER_ENTRY_REJECTED` when the symlinks loop.
 */
export function resolveDirectory(
  root: DirectoryNode,
  path: string,
  options: ResolveOptions,
): DirectoryNode | undefined {
  const parts = path === '' ? [] : path.split('/');
  const ahead = parts.toReversed();
  const ancestors: DirectoryNode[] = [];
  let current = root;
  let symlinks = 0;
  let steps = 0;
  for (let part = ahead.pop(); part !== undefined; part = ahead.pop()) {
    steps += 1;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      current = ancestors.pop() ?? root;
      continue;
    }
    const child = current.children.get(part);
    if (child?.type === EntryType.symlink) {
      symlinks += 1;
      if (symlinks > MOST_SYMLINKS || steps > MOST_STEPS)
        throw tooManySymlinks(path, options.where);
      if (symlinks === 1) {
        const met = parts.slice(0, parts.length - ahead.length).join('/');
        if (options.shouldFollow?.(met) === false) return undefined;
      }
      if (child.target.startsWith('/')) {
        current = root;
        ancestors.length = 0;
      }
      for (const ofTarget of child.target.split('/').reverse()) ahead.push(ofTarget);
      continue;
    }
    const next = asDirectory(child) ?? options.makeMissing?.();
    if (next === undefined) return undefined;
    if (next !== child) current.children.set(part, next);
    ancestors.push(current);
    current = next;
  }
  return current;
}

function asDirectory(node: RootfsNode | undefined): DirectoryNode | undefined {
  return node?.type === EntryType.directory ? node : undefined;
}

function tooManySymlinks(path: string, where: () => string): EngineError {
  return new EngineError(
    'LAYER_ENTRY_REJECTED',
    `${where()}: the directory ${quoteBytes(path)} leads through more than ${MOST_SYMLINKS} symlinks or ${MOST_STEPS} steps`,
  );
}

/** The part of a path before its last component; empty for a name in the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** The last component of a path. */
export function leafOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
