/** Writes a tree as one tar. Nothing is mounted or unpacked. */
import { EntryType } from '../oci/layer-index.ts';
import { DataFiles } from './data-files.ts';
import { TAR_BLOCK_BYTES, tarHeader } from './export-header.ts';
import { type FileNode, type RootfsNode, type RootfsTree, walkTree } from './tree.ts';

/** Options of `exportTar`. */
export interface ExportOptions {
  /** The path of a layer's data file; lowest layer 0. */
  readonly dataFile: (layer: number) => string;
}

/** Bytes of one piece of the stream. */
const PIECE_BYTES = 1024 * 1024;

/**
 * The tree as a tar stream with every attribute: the root comes first as `./`, then each directory
 * before what is in it, siblings in byte order; of a hard link group the first name has the content.
 * Deterministic. Each piece is the consumer's to keep. The data files are open while the generator
 * lives: consume it to the end, or return it.
 *
 * @throws EngineError `STORE_CORRUPT` when a data file is too short.
 */
export async function* exportTar(
  tree: RootfsTree,
  options: ExportOptions,
): AsyncGenerator<Buffer, void, undefined> {
  using dataFiles = new DataFiles(options.dataFile);
  const pieces = new PieceWriter();
  const firstNames = new Map<RootfsNode, string>();
  for (const { path, node } of walkTree(tree)) {
    const name = node.type === EntryType.directory ? `${path === '' ? '.' : path}/` : path;
    const linkTo = firstNames.get(node);
    if (node.type !== EntryType.directory && node.hasLinks) firstNames.set(node, linkTo ?? name);
    yield* pieces.write(tarHeader(node, name, linkTo));
    if (node.type === EntryType.file && linkTo === undefined) {
      yield* writeContent(pieces, dataFiles, node);
    }
  }
  yield* pieces.write(Buffer.alloc(2 * TAR_BLOCK_BYTES));
  const last = pieces.take();
  if (last.length > 0) yield last;
}

function* writeContent(
  pieces: PieceWriter,
  dataFiles: DataFiles,
  file: FileNode,
): Generator<Buffer, void, undefined> {
  for (let position = 0; position < file.sizeBytes; ) {
    const count = dataFiles.read(file, position, pieces.space());
    position += count;
    yield* pieces.advance(count);
  }
  const over = file.sizeBytes % TAR_BLOCK_BYTES;
  if (over > 0) yield* pieces.write(Buffer.alloc(TAR_BLOCK_BYTES - over));
}

/** Gathers what is written into pieces of one size, so that small files do not become small pieces. */
export class PieceWriter {
  #piece = Buffer.allocUnsafe(PIECE_BYTES);
  #used = 0;

  /** Where the next bytes may be put; `advance` says how many were. Never empty. */
  space(): { buffer: Buffer; offset: number; length: number } {
    return { buffer: this.#piece, offset: this.#used, length: PIECE_BYTES - this.#used };
  }

  *advance(count: number): Generator<Buffer, void, undefined> {
    this.#used += count;
    if (this.#used === PIECE_BYTES) yield this.take();
  }

  *write(bytes: Buffer): Generator<Buffer, void, undefined> {
    for (let from = 0; from < bytes.length; ) {
      const count = bytes.copy(this.#piece, this.#used, from);
      from += count;
      yield* this.advance(count);
    }
  }

  /** Everything since the last piece. */
  take(): Buffer {
    const piece = this.#piece.subarray(0, this.#used);
    this.#piece = Buffer.allocUnsafe(PIECE_BYTES);
    this.#used = 0;
    return piece;
  }
}
