/**
 * Merges layer indexes into one tree (image-spec layer.md, "Applying Changesets").
 *
 * Layers are applied lowest first. The whiteouts of a layer come before its entries, wherever the
 * tar has them, because they hide lower layers only. A directory over a directory replaces its
 * attributes and keeps its children; anything else replaces what has its name, with all below it.
 * Parents that a layer does not list keep what a lower layer gave them, else they are 0755 root. A
 * symlink in a parent position is resolved inside the root, as containerd does.
 */
import { EngineError, quoteBytes } from '../errors.ts';
import { EntryType, type LayerEntry, type LayerIndex } from '../oci/layer-index.ts';
import { nodeOf } from './entry-node.ts';
import { leafOf, parentOf, type ResolveOptions, resolveDirectory } from './resolve-path.ts';
import type { DirectoryNode, LinkableNode, RootfsNode, RootfsTree } from './tree.ts';

/** Options of `mergeLayers`. */
export interface MergeOptions {
  /** Told about entries that are dropped; one sentence each. */
  readonly onWarning?: (message: string) => void;
}

/** A name in a directory, whether or not something has it. */
interface Place {
  readonly directory: DirectoryNode;
  readonly leaf: string;
}

/** A place and the entry that belongs there; kept for hard links whose target has not come yet. */
interface PendingLink extends Place {
  readonly entry: LayerEntry;
}

/** What applying one layer needs. */
interface Application {
  readonly root: DirectoryNode;
  readonly index: LayerIndex;
  readonly layer: number;
  readonly layerCount: number;
  readonly onWarning: ((message: string) => void) | undefined;
  readonly pendingLinks: PendingLink[];
  /** The last parent resolved: entries of one directory come together in nearly every tar. */
  cachedParent: { readonly path: string; readonly directory: DirectoryNode } | undefined;
}

/**
 * Merges the layers of an image, lowest first. Pure: the indexes are not changed, and equal indexes
 * give equal trees. The tree keeps views of the indexes' xattr bytes.
 *
 * @throws EngineError `LAYER_ENTRY_REJECTED` for a hard link to a directory or to nothing, a loop of
 * symlinks in a parent position, a root that is not a directory, an empty symlink target, or a
 * device number that Linux does not have; it names the layer and the entry.
 */
export function mergeLayers(
  indexes: readonly LayerIndex[],
  options: MergeOptions = {},
): RootfsTree {
  const root = impliedDirectory();
  for (const [layer, index] of indexes.entries()) {
    const application: Application = {
      root,
      index,
      layer,
      layerCount: indexes.length,
      onWarning: options.onWarning,
      pendingLinks: [],
      cachedParent: undefined,
    };
    applyWhiteouts(application);
    for (let i = 0; i < index.entryCount; i += 1) {
      const type = index.type(i);
      if (type !== EntryType.whiteout && type !== EntryType.opaque) {
        applyEntry(application, index.entry(i));
      }
    }
    applyPendingLinks(application);
  }
  return { root };
}

/** A parent that no layer lists. Its mtime is the epoch, so that the tree is always the same. */
function impliedDirectory(): DirectoryNode {
  return {
    type: EntryType.directory,
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    xattrs: [],
    children: new Map(),
  };
}

function applyWhiteouts(application: Application): void {
  const { root, index } = application;
  let ownDirectories: Set<string> | undefined;
  // Where this layer itself puts a directory in place of a lower layer's symlink, its whiteouts
  // below that name are about the directory: what the symlink points to stays.
  const shouldFollow = (path: string): boolean => {
    ownDirectories ??= directoryNames(index);
    return !ownDirectories.has(path);
  };
  for (let i = 0; i < index.entryCount; i += 1) {
    const type = index.type(i);
    if (type !== EntryType.whiteout && type !== EntryType.opaque) continue;
    const name = index.name(i);
    const options: ResolveOptions = { where: () => describe(application, name), shouldFollow };
    if (type === EntryType.opaque) resolveDirectory(root, name, options)?.children.clear();
    else resolveDirectory(root, parentOf(name), options)?.children.delete(leafOf(name));
  }
}

function directoryNames(index: LayerIndex): Set<string> {
  const names = new Set<string>();
  for (let i = 0; i < index.entryCount; i += 1) {
    if (index.type(i) === EntryType.directory) names.add(index.name(i));
  }
  return names;
}

function applyEntry(application: Application, entry: LayerEntry): void {
  if (entry.name === '') {
    applyRoot(application, entry);
    return;
  }
  const directory = parentDirectory(application, entry.name);
  const leaf = leafOf(entry.name);
  if (entry.type === EntryType.directory) putDirectory(application, { directory, leaf, entry });
  else if (entry.type === EntryType.hardlink) putLink(application, { directory, leaf, entry });
  else if (isOverlayWhiteout(entry)) {
    // overlayfs takes such a device in a lower directory for a whiteout and would hide the name.
    application.onWarning?.(
      `${describe(application, entry.name)}: the character device 0:0 was dropped`,
    );
  } else {
    const node = nodeOf(entry, application.layer, () => describe(application, entry.name));
    putNode(application, { directory, leaf }, node);
  }
}

function isOverlayWhiteout(entry: LayerEntry): boolean {
  return entry.type === EntryType.characterDevice && entry.major === 0 && entry.minor === 0;
}

function applyRoot(application: Application, entry: LayerEntry): void {
  if (entry.type !== EntryType.directory) {
    throw rejected(application, entry.name, 'the root of the image must be a directory');
  }
  copyAttributes(application.root, entry);
}

function parentDirectory(application: Application, name: string): DirectoryNode {
  const path = parentOf(name);
  const cached = application.cachedParent;
  if (cached?.path === path) return cached.directory;
  const directory = resolveDirectory(application.root, path, {
    where: () => describe(application, name),
    makeMissing: impliedDirectory,
  });
  if (directory === undefined) throw new Error(`no parent was made for ${quoteBytes(name)}`);
  application.cachedParent = { path, directory };
  return directory;
}

function putDirectory(application: Application, at: PendingLink): void {
  const existing = at.directory.children.get(at.leaf);
  if (existing?.type === EntryType.directory) {
    copyAttributes(existing, at.entry);
    return;
  }
  const made = impliedDirectory();
  copyAttributes(made, at.entry);
  putNode(application, at, made);
}

function copyAttributes(directory: DirectoryNode, entry: LayerEntry): void {
  directory.mode = entry.mode;
  directory.uid = entry.uid;
  directory.gid = entry.gid;
  directory.mtimeSeconds = entry.mtimeSeconds;
  directory.mtimeNanoseconds = entry.mtimeNanoseconds;
  directory.xattrs = entry.xattrs;
}

function putNode(application: Application, at: Place, node: RootfsNode): void {
  const existing = at.directory.children.get(at.leaf);
  if (existing?.type === EntryType.directory || existing?.type === EntryType.symlink) {
    application.cachedParent = undefined;
  }
  at.directory.children.set(at.leaf, node);
}

function putLink(application: Application, at: PendingLink): void {
  const target = findLinkTarget(application, at.entry);
  if (target === undefined) {
    at.directory.children.delete(at.leaf);
    application.cachedParent = undefined;
    application.pendingLinks.push(at);
    return;
  }
  target.hasLinks = true;
  putNode(application, at, target);
}

function findLinkTarget(application: Application, entry: LayerEntry): LinkableNode | undefined {
  const place = linkTargetPlace(application, entry);
  const target = place?.directory.children.get(place.leaf);
  if (entry.link === '' || target?.type === EntryType.directory) {
    const why = `the hard link target ${quoteBytes(entry.link)} is a directory`;
    throw rejected(application, entry.name, why);
  }
  return target;
}

function linkTargetPlace(application: Application, entry: LayerEntry): Place | undefined {
  const where = () => describe(application, entry.name);
  const directory = resolveDirectory(application.root, parentOf(entry.link), { where });
  return directory && { directory, leaf: leafOf(entry.link) };
}

/**
 * Links that came before their targets. A link whose target is itself such a link waits for it, so
 * that a chain costs one step for each link, whatever its order.
 */
function applyPendingLinks(application: Application): void {
  const waiting = new Map<DirectoryNode, Map<string, PendingLink[]>>();
  const ready = application.pendingLinks;
  const unsettled = new Set<PendingLink>(ready);
  for (let link = ready.pop(); link !== undefined; link = ready.pop()) {
    // A later entry of this name has won.
    if (!link.directory.children.has(link.leaf)) {
      const target = findLinkTarget(application, link.entry);
      if (target === undefined) {
        const place = linkTargetPlace(application, link.entry);
        if (place !== undefined) waitersOf(waiting, place).push(link);
        continue;
      }
      target.hasLinks = true;
      link.directory.children.set(link.leaf, target);
    }
    unsettled.delete(link);
    for (const waiter of waitersOf(waiting, link).splice(0)) ready.push(waiter);
  }
  for (const { entry } of unsettled) {
    const why = `the hard link target ${quoteBytes(entry.link)} is neither in this layer nor in a lower one`;
    throw rejected(application, entry.name, why);
  }
}

function waitersOf(
  waiting: Map<DirectoryNode, Map<string, PendingLink[]>>,
  place: Place,
): PendingLink[] {
  const ofDirectory = waiting.get(place.directory) ?? new Map<string, PendingLink[]>();
  waiting.set(place.directory, ofDirectory);
  const links = ofDirectory.get(place.leaf) ?? [];
  ofDirectory.set(place.leaf, links);
  return links;
}

function describe(application: Application, name: string): string {
  return `layer ${application.layer + 1}/${application.layerCount}, entry ${quoteBytes(name)}`;
}

function rejected(application: Application, name: string, why: string): EngineError {
  return new EngineError('LAYER_ENTRY_REJECTED', `${describe(application, name)}: ${why}`);
}
