/** A tar stream, compressed or not, into a tree. */

import { TarParser } from '../layer/tar-parser.ts';
import { TarStage } from '../layer/tar-stage.ts';
import { EntryType } from '../oci/layer-index.ts';
import type { TreeWriter } from '../rootfs/tree-writer.ts';

/**
 * Writes the entries of a tar, which may be compressed with gzip or zstd. The names are what they
 * are: nothing in them means a removal.
 *
 * @throws EngineError `LAYER_INVALID`, `LAYER_ENTRY_REJECTED`; as the writer; the reason of `signal`
 */
export async function unpackTar(
  source: AsyncIterable<Buffer>,
  writer: TreeWriter,
  signal: AbortSignal | undefined,
): Promise<void> {
  const parser = new TarParser({
    begin: (entry) => {
      // Neither is a path: a name of no bytes, and a directory's slash at the end.
      const path = cleaned(entry.name);
      if (entry.name !== '') writer.begin({ ...entry, path, link: linkOf(entry), isSparse: false });
    },
    content: (bytes) => writer.write(bytes),
    hole: (lengthBytes) => writer.skip(lengthBytes),
    end: () => writer.end(),
  });
  using stage = new TarStage('none', (bytes) => {
    signal?.throwIfAborted();
    parser.push(bytes);
  });
  for await (const bytes of source) {
    signal?.throwIfAborted();
    await stage.write(bytes);
  }
  await stage.end();
  parser.end();
  writer.finish();
}

/** The path of an entry, with its `..`, which the writer refuses. */
function cleaned(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function linkOf({ type, link }: { readonly type: EntryType; readonly link: string }): string {
  return type === EntryType.hardlink ? cleaned(link) : link;
}
