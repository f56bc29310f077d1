/**
 * Turns the entries of a tar into a layer index and a layer data file. Here it is decided what an
 * image may ask for; the rules for names, whiteouts and xattrs are in their own files.
 */
import {
  EntryType,
  type LayerEntry,
  type LayerIndex,
  LayerIndexBuilder,
  type Xattr,
} from '../oci/layer-index.ts';
import { DataPack } from './data-pack.ts';
import type { LayerDataSink } from './data-sink.ts';
import { cleanName, symlinkTarget } from './entry-path.ts';
import { invalidLayer, rejectedEntry } from './layer-error.ts';
import type { LayerLimits } from './limits.ts';
import type { TarEntry } from './tar-entry.ts';
import type { TarHandler } from './tar-parser.ts';
import { meaningOfName } from './whiteout.ts';
import { keptXattrs } from './xattrs.ts';

/** What Linux can encode in a device number. */
const LARGEST_MAJOR = 4095;
const LARGEST_MINOR = 1_048_575;
/** -1 means "leave it as it is" to chown(2). */
const LARGEST_ID = 2 ** 32 - 2;

/** How many classes of dropped xattrs are counted apart. */
const MOST_XATTR_CLASSES = 16;

const NO_XATTRS: readonly Xattr[] = [];

/** What a layer consists of, and how often something in it was ignored. */
export interface RecordedLayer {
  readonly index: LayerIndex;
  /** How many extended attributes of each class were dropped. */
  readonly droppedXattrs: ReadonlyMap<string, number>;
}

/** Records one layer. Its methods throw `LAYER_ENTRY_REJECTED`, `LAYER_INVALID`, and as the sink. */
export class LayerRecorder implements TarHandler {
  readonly #limits: LayerLimits;
  readonly #builder = new LayerIndexBuilder();
  readonly #pack: DataPack;
  readonly #droppedXattrs = new Map<string, number>();
  #nameBytes = 0;
  #isContentKept = false;

  constructor(sink: LayerDataSink, limits: LayerLimits) {
    this.#limits = limits;
    this.#pack = new DataPack(sink, limits.maxDataBytes);
  }

  begin(tarEntry: TarEntry): void {
    this.#isContentKept = false;
    // A name of no bytes is not the root: archivers write it for what they could not name.
    if (tarEntry.name === '') return;
    const { type } = tarEntry;
    const meaning = meaningOfName(cleanName(tarEntry.name), type);
    if (meaning.kind === 'ignored') return;
    if (meaning.kind === 'entry') this.#addEntry(tarEntry, meaning.name);
    else this.#add(markerOf(EntryType[meaning.kind], meaning.name));
  }

  content(bytes: Buffer): void {
    if (this.#isContentKept) this.#pack.append(bytes);
  }

  hole(lengthBytes: number): void {
    if (this.#isContentKept) this.#pack.appendHole(lengthBytes);
  }

  end(): void {
    this.#isContentKept = false;
  }

  /** Writes what is left to the sink and ends it. To be called once, after the last entry. */
  finish(): RecordedLayer {
    const index = this.#builder.build(this.#pack.finish());
    return { index, droppedXattrs: this.#droppedXattrs };
  }

  #addEntry(tarEntry: TarEntry, name: string): void {
    const { type, sizeBytes } = tarEntry;
    if (name === '' && type !== EntryType.directory) {
      throw rejectedEntry(tarEntry.name, 'would replace the root by something else');
    }
    this.#isContentKept = type === EntryType.file && sizeBytes > 0;
    this.#add({
      type,
      name,
      mode: tarEntry.mode & 0o7777,
      uid: checkedNumber(tarEntry.uid, LARGEST_ID, [tarEntry, 'uid']),
      gid: checkedNumber(tarEntry.gid, LARGEST_ID, [tarEntry, 'gid']),
      sizeBytes,
      mtimeSeconds: clampedTime(tarEntry.mtimeSeconds),
      mtimeNanoseconds: tarEntry.mtimeNanoseconds,
      block: this.#isContentKept ? this.#pack.nextBlock() : 0,
      link: linkOf(tarEntry),
      major: checkedNumber(tarEntry.major, LARGEST_MAJOR, [tarEntry, 'device major']),
      minor: checkedNumber(tarEntry.minor, LARGEST_MINOR, [tarEntry, 'device minor']),
      xattrs: keptXattrs(tarEntry, (xattrClass) => this.#countDropped(xattrClass)),
    });
  }

  #add(entry: LayerEntry): void {
    this.#nameBytes += entry.name.length + entry.link.length;
    for (const { name, value } of entry.xattrs) this.#nameBytes += 4 + name.length + value.length;
    if (this.#nameBytes > this.#limits.maxNameBytes) {
      throw invalidLayer(
        `the names of the layer take more than ${this.#limits.maxNameBytes} bytes`,
      );
    }
    if (this.#builder.entryCount >= this.#limits.maxEntries) {
      throw invalidLayer(`the layer has more than ${this.#limits.maxEntries} entries`);
    }
    this.#builder.add(entry);
  }

  // A layer may name as many classes as it likes, but not fill the terminal with them.
  #countDropped(xattrClass: string): void {
    const isKnown = this.#droppedXattrs.has(xattrClass);
    const key = isKnown || this.#droppedXattrs.size < MOST_XATTR_CLASSES ? xattrClass : 'others';
    this.#droppedXattrs.set(key, (this.#droppedXattrs.get(key) ?? 0) + 1);
  }
}

function markerOf(type: EntryType, name: string): LayerEntry {
  const numbers = { mode: 0, uid: 0, gid: 0, sizeBytes: 0, block: 0, major: 0, minor: 0 };
  return {
    ...numbers,
    type,
    name,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    link: '',
    xattrs: NO_XATTRS,
  };
}

function linkOf(entry: TarEntry): string {
  if (entry.type === EntryType.symlink) return symlinkTarget(entry.link, entry.name);
  if (entry.type !== EntryType.hardlink) return '';
  const target = cleanName(entry.link, entry.name);
  if (target === '') throw rejectedEntry(entry.name, 'is a hard link to the root');
  return target;
}

function checkedNumber(
  value: number,
  largest: number,
  [entry, what]: readonly [TarEntry, string],
): number {
  if (value >= 0 && value <= largest) return value;
  throw rejectedEntry(entry.name, `has the ${what} ${value}; it must be from 0 to ${largest}`);
}

/** EROFS stores 64 bits; no time that a number cannot hold exactly is one that anybody meant. */
function clampedTime(seconds: number): number {
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, seconds));
}
