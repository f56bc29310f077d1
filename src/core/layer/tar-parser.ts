/**
 * A push parser for tars: it takes the bytes as they come, keeps at most one header or meta entry of
 * them, and hands contents on without copying. It touches nothing but its handler.
 *
 * It ends at two zero blocks and ignores what follows, as GNU tar does; an archive without them ends
 * with its last entry. `g` headers are skipped: nothing global may change entries.
 */
import { invalidLayer, rejectedEntry } from './layer-error.ts';
import { parsePax } from './pax.ts';
import {
  type ContentSink,
  checkedSparseMap,
  LARGEST_SPARSE_MAP,
  oldSparseExtension,
  oldSparseHeader,
  SparseExpander,
  type SparseExtent,
  SparseMapReader,
  tooLongMap,
} from './sparse.ts';
import { type PendingMeta, type ResolvedEntry, resolveEntry, type TarEntry } from './tar-entry.ts';
import { isZeroBlock, parseTarHeader, TAR_BLOCK, type TarHeader } from './tar-header.ts';

/** Receives entries in the order of the tar; `content` and `hole` only between `begin` and `end`. */
export interface TarHandler extends ContentSink {
  begin(entry: TarEntry): void;
  end(): void;
}

/** Bytes that a PAX header, a long name or a sparse map may have. */
export const LARGEST_META = 1024 * 1024;

type BlockUse = 'header' | 'old-sparse-map' | 'pax-sparse-map';
type State = BlockUse | 'meta' | 'content' | 'ended';

/** Parses one tar. After an error it must not be used again. Holds no resource. */
export class TarParser {
  readonly #handler: TarHandler;
  #state: State = 'header';
  /** Where the next byte stands in the tar. */
  #offset = 0;
  /** Bytes to pass over before the state is looked at. */
  #skipBytes = 0;
  readonly #block = Buffer.alloc(TAR_BLOCK);
  #blockBytes = 0;
  #zeroBlocks = 0;
  #meta: PendingMeta = {};
  #metaType = '';
  #metaBody = Buffer.alloc(0);
  #metaBytes = 0;
  #contentBytes = 0;
  #contentPadding = 0;
  #expander: SparseExpander | undefined;
  #resolved: ResolvedEntry | undefined;
  #extents: SparseExtent[] = [];
  #mapReader = new SparseMapReader();

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  /**
   * Takes the next bytes of the tar. `bytes` is not kept, but the handler sees parts of it.
   *
   * @throws EngineError `LAYER_INVALID`, `LAYER_ENTRY_REJECTED`, and whatever the handler throws.
   */
  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      const used = this.#take(bytes, at);
      at += used;
      this.#offset += used;
    }
  }

  /** Says that there are no more bytes. @throws EngineError `LAYER_INVALID` for a truncated tar. */
  end(): void {
    if (this.#state === 'ended') return;
    // umoci ends a tar right after the last file's contents, without padding them to a block.
    const isBetweenEntries =
      this.#state === 'header' && this.#blockBytes === 0 && this.#skipBytes < TAR_BLOCK;
    if (!isBetweenEntries || this.#hasMeta()) {
      throw invalidLayer(`the tar ends at byte ${this.#offset}, in the middle of an entry`);
    }
  }

  /** Uses some of the bytes from `at` on; returns how many. */
  #take(bytes: Buffer, at: number): number {
    const available = bytes.length - at;
    if (this.#skipBytes > 0) {
      const used = Math.min(this.#skipBytes, available);
      this.#skipBytes -= used;
      return used;
    }
    switch (this.#state) {
      case 'content':
        return this.#takeContent(bytes, at);
      case 'meta':
        return this.#takeMeta(bytes, at);
      case 'ended':
        return available;
      default:
        return this.#takeBlock(bytes, at, this.#state);
    }
  }

  #takeBlock(bytes: Buffer, at: number, use: BlockUse): number {
    if (this.#blockBytes === 0 && bytes.length - at >= TAR_BLOCK) {
      this.#useBlock(bytes.subarray(at, at + TAR_BLOCK), use);
      return TAR_BLOCK;
    }
    const used = bytes.copy(this.#block, this.#blockBytes, at);
    this.#blockBytes += used;
    if (this.#blockBytes === TAR_BLOCK) {
      this.#blockBytes = 0;
      this.#useBlock(this.#block, use);
    }
    return used;
  }

  #useBlock(block: Buffer, use: BlockUse): void {
    if (use === 'header') this.#useHeader(block);
    else if (use === 'old-sparse-map') this.#useOldSparseMap(oldSparseExtension(block));
    else this.#usePaxSparseMap(block);
  }

  #useHeader(block: Buffer): void {
    if (isZeroBlock(block)) {
      this.#zeroBlocks += 1;
      if (this.#zeroBlocks === 2) this.#endArchive();
      return;
    }
    // After the offset of this block: a block that was put together began in an earlier chunk.
    const at = Math.floor(this.#offset / TAR_BLOCK) * TAR_BLOCK;
    if (this.#zeroBlocks > 0) {
      throw invalidLayer(`the tar goes on at byte ${at} after a single zero block`);
    }
    const header = parseTarHeader(block, at);
    switch (header.typeFlag) {
      case 'x':
      case 'L':
      case 'K':
        this.#beginMeta(header);
        break;
      case 'g':
        this.#skipGlobal(header.sizeBytes);
        break;
      default:
        this.#beginEntry(header, block);
    }
  }

  #skipGlobal(sizeBytes: number): void {
    if (!(sizeBytes >= 0 && Number.isSafeInteger(sizeBytes))) {
      throw invalidLayer(`a "g" header has a size of ${sizeBytes} bytes`);
    }
    this.#skipBytes = sizeBytes + paddingOf(sizeBytes);
  }

  #endArchive(): void {
    if (this.#hasMeta()) {
      throw invalidLayer(
        `the tar ends at byte ${this.#offset} after a header that belongs to no entry`,
      );
    }
    this.#state = 'ended';
  }

  #hasMeta(): boolean {
    return Object.keys(this.#meta).length > 0;
  }

  #beginMeta(header: TarHeader): void {
    if (!(header.sizeBytes >= 0 && header.sizeBytes <= LARGEST_META)) {
      throw invalidLayer(
        `a "${header.typeFlag}" header of ${header.sizeBytes} bytes; ${LARGEST_META} is the most`,
      );
    }
    this.#metaType = header.typeFlag;
    this.#metaBody = Buffer.alloc(header.sizeBytes);
    this.#metaBytes = 0;
    this.#state = 'meta';
    if (header.sizeBytes === 0) this.#useMeta();
  }

  #takeMeta(bytes: Buffer, at: number): number {
    const used = bytes.copy(this.#metaBody, this.#metaBytes, at);
    this.#metaBytes += used;
    if (this.#metaBytes === this.#metaBody.length) this.#useMeta();
    return used;
  }

  #useMeta(): void {
    const body = this.#metaBody;
    if (this.#metaType === 'x') this.#meta = { ...this.#meta, pax: parsePax(body) };
    else if (this.#metaType === 'L') this.#meta = { ...this.#meta, longName: untilNul(body) };
    else this.#meta = { ...this.#meta, longLink: untilNul(body) };
    this.#skipBytes = paddingOf(body.length);
    this.#state = 'header';
  }

  #beginEntry(header: TarHeader, block: Buffer): void {
    const resolved = resolveEntry(header, this.#meta);
    this.#meta = {};
    this.#resolved = resolved;
    this.#extents = [];
    if (header.typeFlag === 'S') {
      const { extents, sizeBytes, hasMore } = oldSparseHeader(block);
      if (resolved.sparse !== undefined) {
        throw rejectedEntry(resolved.entry.name, 'has two sparse maps');
      }
      this.#resolved = { ...resolved, entry: { ...resolved.entry, sizeBytes } };
      this.#useOldSparseMap({ extents, hasMore });
    } else if (resolved.sparse === undefined) {
      this.#beginContent(resolved.entry, resolved.storedBytes);
    } else if (resolved.sparse.extents === undefined) {
      this.#mapReader = new SparseMapReader();
      this.#state = 'pax-sparse-map';
    } else {
      this.#beginSparse(resolved.sparse.extents, resolved.storedBytes);
    }
  }

  #useOldSparseMap(part: { extents: readonly SparseExtent[]; hasMore: boolean }): void {
    this.#extents.push(...part.extents);
    if (part.hasMore) {
      if (this.#extents.length * 24 > LARGEST_SPARSE_MAP) throw tooLongMap();
      this.#state = 'old-sparse-map';
    } else {
      this.#beginSparse(this.#extents, this.#resolved?.storedBytes ?? 0);
    }
  }

  #usePaxSparseMap(block: Buffer): void {
    const stored = this.#resolved?.storedBytes ?? 0;
    const extents = this.#mapReader.take(block);
    if (this.#mapReader.blockBytes > stored) {
      throw invalidLayer('a sparse map is longer than the contents that it stands in');
    }
    if (extents !== undefined) this.#beginSparse(extents, stored - this.#mapReader.blockBytes);
  }

  #beginSparse(extents: readonly SparseExtent[], storedBytes: number): void {
    const entry = this.#resolved?.entry;
    if (entry === undefined) return;
    const map = checkedSparseMap({ extents, sizeBytes: entry.sizeBytes }, storedBytes, entry.name);
    this.#expander = new SparseExpander(map, this.#handler);
    this.#beginContent(entry, storedBytes);
  }

  #beginContent(entry: TarEntry, storedBytes: number): void {
    this.#handler.begin(entry);
    this.#contentBytes = storedBytes;
    this.#contentPadding = paddingOf(storedBytes);
    this.#state = 'content';
    if (storedBytes === 0) this.#endContent();
  }

  #takeContent(bytes: Buffer, at: number): number {
    const used = Math.min(this.#contentBytes, bytes.length - at);
    const part = bytes.subarray(at, at + used);
    if (this.#expander === undefined) this.#handler.content(part);
    else this.#expander.take(part);
    this.#contentBytes -= used;
    if (this.#contentBytes === 0) this.#endContent();
    return used;
  }

  #endContent(): void {
    this.#expander?.end();
    this.#expander = undefined;
    this.#skipBytes = this.#contentPadding;
    this.#state = 'header';
    this.#handler.end();
  }
}

function paddingOf(length: number): number {
  return (TAR_BLOCK - (length % TAR_BLOCK)) % TAR_BLOCK;
}

function untilNul(body: Buffer): string {
  const end = body.indexOf(0);
  return body.toString('latin1', 0, end < 0 ? body.length : end);
}
