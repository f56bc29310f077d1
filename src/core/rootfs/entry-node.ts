/** Makes tree nodes of the entries of a layer index. */
import { EngineError, quoteBytes } from '../errors.ts';
import { EntryType, type LayerEntry } from '../oci/layer-index.ts';
import type { FileNode, LinkableNode, NodeAttributes } from './tree.ts';

// Linux keeps 12 bits of major and 20 bits of minor number (kdev_t.h).
const LARGEST_MAJOR = 0xfff;
const LARGEST_MINOR = 0xfffff;

/**
 * The node of an entry that is neither a directory, a hard link, nor a whiteout.
 *
 * @param layer the entry's layer, lowest layer 0.
 * @param where names the layer and the entry, for the error.
 * @throws EngineError `LAYER_ENTRY_REJECTED` when no file system could hold it.
 */
export function nodeOf(entry: LayerEntry, layer: number, where: () => string): LinkableNode {
  if (entry.type === EntryType.file) return fileNode(entry, layer);
  const attributes = attributesOf(entry);
  switch (entry.type) {
    case EntryType.symlink:
      checkTarget(entry.link, where);
      return { type: EntryType.symlink, ...attributes, target: entry.link };
    case EntryType.characterDevice:
    case EntryType.blockDevice: {
      const { type, major, minor } = entry;
      checkDevice(major, minor, where);
      return { type, ...attributes, major, minor };
    }
    case EntryType.fifo:
      return { type: EntryType.fifo, ...attributes };
    default:
      throw new Error(`an entry of type ${entry.type} has no node of its own`);
  }
}

/** Spelled out: nearly every entry is a file, and a spread takes twice as long. */
function fileNode(entry: LayerEntry, layer: number): FileNode {
  return {
    type: EntryType.file,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtimeSeconds: entry.mtimeSeconds,
    mtimeNanoseconds: entry.mtimeNanoseconds,
    xattrs: entry.xattrs,
    hasLinks: false,
    sizeBytes: entry.sizeBytes,
    layer,
    block: entry.block,
  };
}

function attributesOf(entry: LayerEntry): NodeAttributes & { hasLinks: boolean } {
  const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs } = entry;
  return { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs, hasLinks: false };
}

const LONGEST_TARGET = 4095;

function checkTarget(target: string, where: () => string): void {
  if (target.length > 0 && target.length <= LONGEST_TARGET) return;
  throw new EngineError(
    'LAYER_ENTRY_REJECTED',
    `${where()}: the symlink target ${quoteBytes(target)} has ${target.length} bytes, not 1 to ${LONGEST_TARGET}`,
  );
}

function checkDevice(major: number, minor: number, where: () => string): void {
  if (major <= LARGEST_MAJOR && minor <= LARGEST_MINOR) return;
  throw new EngineError(
    'LAYER_ENTRY_REJECTED',
    `${where()}: the device number ${major}:${minor} is over ${LARGEST_MAJOR}:${LARGEST_MINOR}`,
  );
}
