/** A live tree as a tar stream. */
import { closeSync, readSync } from 'node:fs';
import { EntryType } from '../oci/layer-index.ts';
import { TAR_BLOCK_BYTES, tarHeader } from './export-header.ts';
import { PieceWriter } from './export-tar.ts';
import type { LiveEntry } from './live-tree.ts';

/**
 * The entries as a tar with every attribute; of a hard link group the first name has the content. An
 * entry's path is its name in the tar, `.` for the empty one. A file that shrinks while it is read is
 * filled with zeros, one that grows is cut. Each piece is the consumer's to keep.
 */
export async function* tarOfLive(
  entries: Iterable<LiveEntry>,
): AsyncGenerator<Buffer, void, undefined> {
  const pieces = new PieceWriter();
  const firstNames = new Map<string, string>();
  for (const entry of entries) {
    const { node, linkKey } = entry;
    const isDirectory = node.type === EntryType.directory;
    const name = isDirectory ? `${entry.path === '' ? '.' : entry.path}/` : entry.path;
    const linkTo = linkKey === undefined ? undefined : firstNames.get(linkKey);
    if (linkKey !== undefined && linkTo === undefined) firstNames.set(linkKey, name);
    yield* pieces.write(tarHeader(node, name, linkTo));
    if (node.type === EntryType.file && linkTo === undefined && node.sizeBytes > 0) {
      yield* writeContent(pieces, entry, node.sizeBytes);
    }
  }
  yield* pieces.write(Buffer.alloc(2 * TAR_BLOCK_BYTES));
  const last = pieces.take();
  if (last.length > 0) yield last;
}

function* writeContent(
  pieces: PieceWriter,
  entry: LiveEntry,
  sizeBytes: number,
): Generator<Buffer, void, undefined> {
  const fd = entry.open();
  try {
    const padded = Math.ceil(sizeBytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
    for (let position = 0; position < padded; ) {
      const { buffer, offset, length } = pieces.space();
      const wanted = Math.min(length, Math.max(sizeBytes - position, 0));
      let count = wanted === 0 ? 0 : readSync(fd, buffer, offset, wanted, position);
      if (count === 0) {
        count = Math.min(length, padded - position);
        buffer.fill(0, offset, offset + count);
      }
      position += count;
      yield* pieces.advance(count);
    }
  } finally {
    closeSync(fd);
  }
}
