/** Layer indexes and trees from a few words, for tests that need no tar. */

import type { LayerIndex } from '../../../../src/core/oci/layer-index.ts';
import {
  EntryType,
  type LayerEntry,
  LayerIndexBuilder,
} from '../../../../src/core/oci/layer-index.ts';
import { type RootfsNode, type RootfsTree, walkTree } from '../../../../src/core/rootfs/tree.ts';

/** An entry, with defaults for all but its name. */
export type EntrySpec = Partial<LayerEntry> & { readonly name: string };

const DEFAULTS: LayerEntry = {
  type: EntryType.file,
  name: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtimeSeconds: 0,
  mtimeNanoseconds: 0,
  block: 0,
  link: '',
  major: 0,
  minor: 0,
  xattrs: [],
};

export const file = (name: string, more: Partial<LayerEntry> = {}): EntrySpec => ({
  ...more,
  name,
});
export const directory = (name: string, more: Partial<LayerEntry> = {}): EntrySpec => ({
  mode: 0o755,
  ...more,
  type: EntryType.directory,
  name,
});
export const symlink = (name: string, link: string): EntrySpec => ({
  type: EntryType.symlink,
  name,
  link,
});
export const hardlink = (name: string, link: string): EntrySpec => ({
  type: EntryType.hardlink,
  name,
  link,
});
export const whiteout = (name: string): EntrySpec => ({ type: EntryType.whiteout, name });
export const opaque = (name: string): EntrySpec => ({ type: EntryType.opaque, name });

/** A layer index with these entries, over a data file of `dataBlocks`. */
export function layerOf(entries: readonly EntrySpec[], dataBlocks = 0): LayerIndex {
  const builder = new LayerIndexBuilder();
  for (const entry of entries) builder.add({ ...DEFAULTS, ...entry });
  return builder.build(dataBlocks);
}

/** One line for each path: what it is, and for a name of a hard link group the group's number. */
export function outline(tree: RootfsTree): Record<string, string> {
  const lines: Record<string, string> = {};
  const groups = new Map<RootfsNode, number>();
  for (const { path, node } of walkTree(tree)) {
    if (path === '') continue;
    const isLinked = node.type !== EntryType.directory && node.hasLinks;
    if (isLinked && !groups.has(node)) groups.set(node, groups.size + 1);
    lines[path] = `${describe(node)}${isLinked ? ` =${groups.get(node)}` : ''}`;
  }
  return lines;
}

function describe(node: RootfsNode): string {
  switch (node.type) {
    case EntryType.file:
      return `file of layer ${node.layer}`;
    case EntryType.directory:
      return `directory ${node.mode.toString(8)}`;
    case EntryType.symlink:
      return `symlink to ${node.target}`;
    case EntryType.fifo:
      return 'fifo';
    default:
      return `device ${node.major}:${node.minor}`;
  }
}
