/**
 * Whiteouts (image-spec `layer.md`, "Whiteouts"), told from the name alone.
 *
 * | last part of the name | meaning |
 * |---|---|
 * | `.wh.NAME` | hides `NAME` of the lower layers |
 * | `.wh..wh..opq` | hides all that lower layers have in this directory |
 * | `.wh..wh.` and anything else, in any part | metadata of AUFS: ignored, with all below it |
 *
 * Type and contents of a whiteout do not matter, but a directory named `.wh.NAME` is an ordinary
 * directory, as containerd has it: a whiteout is a file.
 */
import { EntryType } from '../oci/layer-index.ts';
import { rejectedEntry } from './layer-error.ts';

const WHITEOUT_PREFIX = '.wh.';
const METADATA_PREFIX = '.wh..wh.';
const OPAQUE_NAME = '.wh..wh..opq';

/** What a name makes of an entry, and the name under which the layer index has it. */
export interface NameMeaning {
  readonly kind: 'entry' | 'whiteout' | 'opaque' | 'ignored';
  /** For a whiteout the path that it hides, for an opaque whiteout its directory. */
  readonly name: string;
}

/**
 * Tells whiteouts from other entries.
 *
 * @param name a clean name, see `cleanName`.
 * @throws EngineError `LAYER_ENTRY_REJECTED` for a whiteout that hides no possible name.
 */
export function meaningOfName(name: string, type: EntryType): NameMeaning {
  if (!name.includes(WHITEOUT_PREFIX)) return { kind: 'entry', name };
  const slash = name.lastIndexOf('/');
  const directory = name.slice(0, Math.max(slash, 0));
  const base = name.slice(slash + 1);
  const isDirectory = type === EntryType.directory;
  if (hasMetadataPart(directory)) return { kind: 'ignored', name };
  if (base === OPAQUE_NAME && !isDirectory) return { kind: 'opaque', name: directory };
  if (base.startsWith(METADATA_PREFIX)) return { kind: 'ignored', name };
  if (!base.startsWith(WHITEOUT_PREFIX) || isDirectory) return { kind: 'entry', name };
  const hidden = base.slice(WHITEOUT_PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw rejectedEntry(name, 'is a whiteout that names nothing to hide');
  }
  return { kind: 'whiteout', name: slash < 0 ? hidden : `${directory}/${hidden}` };
}

function hasMetadataPart(path: string): boolean {
  return path.startsWith(METADATA_PREFIX) || path.includes(`/${METADATA_PREFIX}`);
}
