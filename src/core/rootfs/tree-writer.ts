/**
 * Writing a tree into a directory that may belong to somebody hostile, such as one in a running
 * container.
 *
 * Every name is made below the open directory that holds it, and never through a link in its place.
 * What is there already under the name of a file is removed first, so that no other name of it and
 * no device is ever written to.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { EngineError, hasErrno, quoteBytes } from '../errors.ts';
import { isErrno, mknod, setTimes, setXattr, withSystemErrors } from '../host/libc.ts';
import { EntryType, type Xattr } from '../oci/layer-index.ts';
import { childPath } from './live-tree.ts';
import { leafOf, parentOf } from './resolve-path.ts';
import type { TreeDirectories } from './tree-directories.ts';

/** One thing to write; strings latin1. */
export interface WriterEntry {
  readonly type: EntryType;
  /** Relative to the directory that is written into; empty for that itself. */
  readonly path: string;
  /** Target of a symbolic link; for a hard link the path of what it is a further name of. */
  readonly link: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: readonly Xattr[];
  /** Leave out blocks of zeros. */
  readonly isSparse: boolean;
}

/** How a tree is written. */
export interface WriteRules {
  /** Everybody's owner; undefined: each entry's own. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** Give directories that were there before the attributes of the entry, too. */
  readonly dressesExisting: boolean;
  readonly makesDevices: boolean;
  /** Told about what was left out, one sentence each. */
  readonly onWarning: (message: string) => void;
}

/** Writes one tree, entry by entry. Disposing closes what is open. */
export class TreeWriter implements Disposable {
  readonly #directories: TreeDirectories;
  readonly #rules: WriteRules;
  /** Directories that get their time when nothing is written into them any more. */
  readonly #times: WriterEntry[] = [];
  #file: { readonly fd: number; readonly entry: WriterEntry; position: number } | undefined;

  constructor(directories: TreeDirectories, rules: WriteRules) {
    this.#directories = directories;
    this.#rules = rules;
  }

  /**
   * Writes an entry; of a file, its content follows in calls of `write` and `skip`, then `end`.
   *
   * @throws EngineError `USAGE_INVALID` when a directory is in the place of something else, or the
   *   other way round; SystemCallError
   */
  begin(entry: WriterEntry): void {
    const where = `while writing ${quoteBytes(entry.path)} at the destination`;
    withSystemErrors(where, () => {
      if (entry.type === EntryType.directory) this.#makeDirectory(entry);
      else this.#makeOther(entry);
    });
  }

  /** Appends bytes to the file that was begun; nothing if there is none. They are not kept. */
  write(bytes: Buffer): void {
    const file = this.#file;
    if (file === undefined) return;
    const step = file.entry.isSparse ? HOLE_BYTES : bytes.length;
    withSystemErrors(`while writing ${quoteBytes(file.entry.path)} at the destination`, () => {
      for (let at = 0; at < bytes.length; at += step) {
        const part = bytes.subarray(at, at + step);
        if (!(file.entry.isSparse && isZero(part))) writeAt(file.fd, part, file.position);
        file.position += part.length;
      }
    });
  }

  /** Leaves a hole in the file that was begun. */
  skip(lengthBytes: number): void {
    if (this.#file !== undefined) this.#file.position += lengthBytes;
  }

  /** Ends the file that was begun. */
  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      withSystemErrors(`while writing ${quoteBytes(file.entry.path)} at the destination`, () => {
        ftruncateSync(file.fd, file.position);
        const { uid, gid } = this.#ownerOf(file.entry);
        fchownSync(file.fd, uid, gid);
        // After the owner, whose change takes setuid bits and capabilities away.
        fchmodSync(file.fd, this.#modeOf(file.entry));
        this.#setRest(file.entry, this.#placeOf(file.entry.path));
      });
    } finally {
      closeSync(file.fd);
    }
  }

  /** Gives directories their times. To be called once, after the last entry. */
  finish(): void {
    for (const entry of this.#times.splice(0).reverse()) {
      withSystemErrors(`while writing ${quoteBytes(entry.path)} at the destination`, () =>
        setTimes(this.#placeOf(entry.path), entry.mtimeSeconds, entry.mtimeNanoseconds),
      );
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  #makeDirectory(entry: WriterEntry): void {
    const place = this.#placeOf(entry.path);
    const existing = lstatIfThere(place);
    const isThere =
      existing?.isDirectory() === true ||
      (existing?.isSymbolicLink() === true && this.#directories.has(entry.path));
    if (existing !== undefined && !isThere) {
      throw inTheWay(entry, 'a directory cannot take the place of something else');
    }
    if (!isThere) mkdirSync(place, { mode: 0o700 });
    else if (!this.#rules.dressesExisting || !existing?.isDirectory()) return;
    const { uid, gid } = this.#ownerOf(entry);
    lchownSync(place, uid, gid);
    chmodSync(place, this.#modeOf(entry));
    this.#setXattrs(entry, place);
    this.#times.push(entry);
  }

  #makeOther(entry: WriterEntry): void {
    const place = this.#placeOf(entry.path);
    const existing = lstatIfThere(place);
    if (existing?.isDirectory()) {
      throw inTheWay(entry, 'a directory is in its place, which only a directory can be');
    }
    if (entry.type === EntryType.file) {
      this.#file = { fd: openNewFile(place, existing), entry, position: 0 };
      return;
    }
    if (this.#isLeftOut(entry)) return;
    if (entry.type === EntryType.hardlink) {
      this.#link(entry, place, existing);
      return;
    }
    if (existing !== undefined) unlinkSync(place);
    if (entry.type === EntryType.symlink) symlinkSync(Buffer.from(entry.link, 'latin1'), place);
    else mknod(place, FILE_TYPES.get(entry.type) ?? constants.S_IFIFO, entry);
    const { uid, gid } = this.#ownerOf(entry);
    lchownSync(place, uid, gid);
    if (entry.type !== EntryType.symlink) chmodSync(place, this.#modeOf(entry));
    this.#setRest(entry, place);
  }

  #link(entry: WriterEntry, place: Buffer, existing: Stats | undefined): void {
    const target = this.#placeOf(entry.link);
    const found = lstatIfThere(target);
    if (found === undefined) throw inTheWay(entry, `there is no ${quoteBytes(entry.link)} to link`);
    if (existing !== undefined && existing.ino === found.ino && existing.dev === found.dev) return;
    if (existing !== undefined) unlinkSync(place);
    linkSync(target, this.#placeOf(entry.path));
  }

  #isLeftOut({ type, path }: WriterEntry): boolean {
    const isDevice = type === EntryType.characterDevice || type === EntryType.blockDevice;
    if (!isDevice || this.#rules.makesDevices) return false;
    this.#rules.onWarning(`${quoteBytes(path)} was left out: it is a device`);
    return true;
  }

  #ownerOf(entry: WriterEntry) {
    return this.#rules.owner ?? entry;
  }

  /** Rights that a file gives to whoever runs it do not go over to another owner. */
  #modeOf(entry: WriterEntry): number {
    const { uid, gid } = this.#ownerOf(entry);
    if (entry.type === EntryType.directory) return entry.mode & 0o7777;
    const setuid = uid === entry.uid ? 0 : 0o4000;
    const setgid = gid === entry.gid ? 0 : 0o2000;
    return entry.mode & 0o7777 & ~(setuid | setgid);
  }

  #setRest(entry: WriterEntry, place: Buffer): void {
    this.#setXattrs(entry, place);
    setTimes(place, entry.mtimeSeconds, entry.mtimeNanoseconds);
  }

  #setXattrs(entry: WriterEntry, place: Buffer): void {
    const isSameOwner = this.#ownerOf(entry).uid === entry.uid;
    for (const { name, value } of entry.xattrs) {
      if (name === 'security.capability' && !isSameOwner) continue;
      try {
        setXattr(place, Buffer.from(name, 'latin1'), value);
      } catch (error) {
        // The file system there does not have them.
        if (!isErrno(error, 'ENOTSUP') && !isErrno(error, 'EPERM')) throw error;
      }
    }
  }

  #placeOf(path: string): Buffer {
    if (path === '') return childPath(this.#directories.open(''), Buffer.from('.'));
    return childPath(this.#directories.open(parentOf(path)), Buffer.from(leafOf(path), 'latin1'));
  }
}

/** Shorter runs of zeros are written. */
const HOLE_BYTES = 65_536;

function writeAt(fd: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(fd, bytes, at, bytes.length - at, position + at);
  }
}

const FILE_TYPES: ReadonlyMap<EntryType, number> = new Map([
  [EntryType.characterDevice, constants.S_IFCHR],
  [EntryType.blockDevice, constants.S_IFBLK],
  [EntryType.fifo, constants.S_IFIFO],
]);

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

function openNewFile(place: Buffer, existing: Stats | undefined): number {
  try {
    if (existing !== undefined) unlinkSync(place);
  } catch (error) {
    // Something is mounted on it, such as /etc/hosts: only its content can be replaced.
    if (!hasErrno(error, 'EBUSY') || !existing?.isFile()) throw error;
    const { O_WRONLY, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;
    return openSync(place, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK);
  }
  return openSync(place, NEW_FILE, 0o600);
}

function lstatIfThere(place: Buffer): Stats | undefined {
  return lstatSync(place, { throwIfNoEntry: false });
}

function isZero(bytes: Buffer): boolean {
  return (
    bytes.length > 0 &&
    bytes[0] === 0 &&
    bytes.compare(bytes, 1, bytes.length, 0, bytes.length - 1) === 0
  );
}

function inTheWay({ path }: WriterEntry, why: string): EngineError {
  return new EngineError('USAGE_INVALID', `${quoteBytes(path)} cannot be copied: ${why}`);
}
