/** One entry of a tar, put together from its header and the meta entries in front of it. */
import { EntryType, type Xattr } from '../oci/layer-index.ts';
import { invalidLayer, rejectedEntry } from './layer-error.ts';
import type { PaxRecords } from './pax.ts';
import { type PaxSparse, paxSparse } from './sparse.ts';
import type { TarHeader } from './tar-header.ts';

/** An entry as the tar has it: names neither cleaned nor judged, strings latin1. */
export interface TarEntry {
  readonly type: EntryType;
  readonly name: string;
  readonly link: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of the file with its holes; 0 for everything that is not a file. */
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: readonly Xattr[];
}

/** What meta entries said about the entry that follows them. */
export interface PendingMeta {
  readonly longName?: string;
  readonly longLink?: string;
  readonly pax?: PaxRecords;
}

/** An entry, and what the tar stores of it. */
export interface ResolvedEntry {
  readonly entry: TarEntry;
  /** Bytes that follow the header. */
  readonly storedBytes: number;
  readonly sparse: PaxSparse | undefined;
}

/**
 * Applies the meta entries to the header.
 *
 * @throws EngineError `LAYER_ENTRY_REJECTED` for an unknown type, `LAYER_INVALID` for what
 *   contradicts itself.
 */
export function resolveEntry(header: TarHeader, meta: PendingMeta): ResolvedEntry {
  const { pax } = meta;
  const sparse = pax === undefined ? undefined : paxSparse(pax.sparse);
  const name = oneName(pax?.path, meta.longName) ?? header.name;
  const type = entryTypeOf(header, name);
  // Only files have contents; the size of any other entry is noise that archivers leave there.
  const storedBytes = type === EntryType.file ? (pax?.sizeBytes ?? header.sizeBytes) : 0;
  if (storedBytes < 0 || !Number.isSafeInteger(storedBytes)) {
    throw rejectedEntry(name, `has a size of ${storedBytes} bytes`);
  }
  return {
    entry: {
      type,
      name: sparse?.name ?? name,
      link: oneName(pax?.linkPath, meta.longLink) ?? header.link,
      mode: header.mode,
      uid: pax?.uid ?? header.uid,
      gid: pax?.gid ?? header.gid,
      sizeBytes: type === EntryType.file ? (sparse?.sizeBytes ?? storedBytes) : 0,
      mtimeSeconds: pax?.mtime?.seconds ?? header.mtimeSeconds,
      mtimeNanoseconds: pax?.mtime?.nanoseconds ?? 0,
      major: header.major,
      minor: header.minor,
      xattrs: pax?.xattrs ?? [],
    },
    storedBytes,
    sparse: type === EntryType.file ? sparse : undefined,
  };
}

// GNU tar lets the PAX record win, Go's reader the long name: what is read must not depend on that.
function oneName(pax: string | undefined, gnu: string | undefined): string | undefined {
  if (pax !== undefined && gnu !== undefined && pax !== gnu) {
    throw invalidLayer('a PAX header and a GNU long name give one entry two different names');
  }
  return pax ?? gnu;
}

function entryTypeOf(header: TarHeader, name: string): EntryType {
  switch (header.typeFlag) {
    case '\0':
      // Before POSIX a directory was a file whose name ends with a slash.
      return name.endsWith('/') ? EntryType.directory : EntryType.file;
    case '0':
    case '7':
    case 'S':
      return EntryType.file;
    case '1':
      return EntryType.hardlink;
    case '2':
      return EntryType.symlink;
    case '3':
      return EntryType.characterDevice;
    case '4':
      return EntryType.blockDevice;
    case '5':
      return EntryType.directory;
    case '6':
      return EntryType.fifo;
    default:
      throw rejectedEntry(name, `has the unknown type ${JSON.stringify(header.typeFlag)}`);
  }
}
