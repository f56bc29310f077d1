/** The upper directory of a container as the tar of a layer (image-spec `layer.md`). */
import { EngineError, quoteBytes } from '../errors.ts';
import { EntryType } from '../oci/layer-index.ts';
import { tarOfLive } from './live-tar.ts';
import { type LiveEntry, walkLive } from './live-tree.ts';
import { leafOf, parentOf } from './resolve-path.ts';
import type { FileNode } from './tree.ts';
import { isOpaque, isWhiteout, ownXattrs, type UpperView, upperChanges } from './upper-changes.ts';

const WHITEOUT_PREFIX = '.wh.';
const OPAQUE_MARKER = '.wh..wh..opq';

/**
 * The tar of a layer that does to the image what the container did to it: removed names as
 * whiteouts, replaced directories with an opaque marker, everything else with all its attributes.
 * Deterministic for a tree that does not change. Labels of the host (`security.selinux`) and
 * overlayfs' own marks are left out, as are sockets.
 *
 * @throws EngineError `LAYER_ENTRY_REJECTED` for a name that would mean a removal in a layer;
 *   SystemCallError
 */
export function upperTar(view: UpperView): AsyncGenerator<Buffer, void, undefined> {
  return tarOfLive(layerEntries(view));
}

function* layerEntries(view: UpperView): Generator<LiveEntry, void, undefined> {
  const changes = upperChanges(view);
  for (const entry of walkLive(view.upperFd)) {
    const { path, node } = entry;
    if (!changes.has(path)) continue;
    if (leafOf(path).startsWith(WHITEOUT_PREFIX)) throw meansRemoval(path);
    if (isWhiteout(entry)) {
      yield markerAt(path, `${WHITEOUT_PREFIX}${leafOf(path)}`, entry);
      continue;
    }
    yield { ...entry, node: { ...node, xattrs: ownXattrs(node.xattrs) } };
    if (isOpaque(entry)) yield markerAt(`${path}/`, OPAQUE_MARKER, entry);
  }
}

function markerAt(path: string, name: string, entry: LiveEntry): LiveEntry {
  const parent = parentOf(path);
  const { mtimeSeconds, mtimeNanoseconds } = entry.node;
  const node: FileNode = {
    ...{ type: EntryType.file, mode: 0o600, uid: 0, gid: 0, mtimeSeconds, mtimeNanoseconds },
    ...{ xattrs: [], hasLinks: false, sizeBytes: 0, layer: 0, block: 0 },
  };
  const at = parent === '' ? name : `${parent}/${name}`;
  return { path: at, node, linkKey: undefined, isSparse: false, open: entry.open };
}

function meansRemoval(path: string): EngineError {
  return new EngineError(
    'LAYER_ENTRY_REJECTED',
    `the container has ${quoteBytes(path)}, whose name would mean a removal in a layer`,
    { hint: 'Rename or remove it in the container.' },
  );
}
