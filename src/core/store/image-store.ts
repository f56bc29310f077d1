/** The image store: the references on disk, and the directory that they lie in. */

import { existsSync } from 'node:fs';
import { EngineError, quote } from '../errors.ts';
import { syncDirectory } from '../host/atomic-file.ts';
import { FileLock } from '../host/file-lock.ts';
import type { Digest } from '../oci/digest.ts';
import {
  decodeLayoutIndex,
  encodeLayoutIndex,
  entryOf,
  type ImageRecord,
  type LayoutEntry,
  MAX_LAYOUT_INDEX_BYTES,
  manifestDigestOf,
  REPLACE_INDEX,
  referenceOf,
} from './layout-index.ts';
import { withRecord } from './reference-changes.ts';
import { prepareStoreDirectory } from './store-directory.ts';
import { withStoreErrorsAsync } from './store-error.ts';
import { readStoreFile, writeStoreFile } from './store-file.ts';
import { indexLockPath, layoutIndexFile, versionFile } from './store-paths.ts';
import { syncContentDirectories } from './sync-content.ts';

export type { ImageRecord } from './layout-index.ts';

/** How a store is opened. */
export interface OpenStoreOptions {
  /** Make the store when it is missing; default true. Without, a missing store reads as empty. */
  readonly create?: boolean;
}

/** How references are changed. */
export interface ChangeOptions {
  /** Ends the waiting for other processes that change references. */
  readonly signal?: AbortSignal;
}

/** An entry of `index.json` that is neither an image of ours nor a manifest of another tool. */
export interface DamagedEntry {
  /** Readable even when the rest of it is not. */
  readonly reference: string | undefined;
  /** One sentence, without a full stop. */
  readonly problem: string;
}

/** Is told of each damaged entry. */
export type OnDamagedEntry = (entry: DamagedEntry) => void;

/**
 * The images of one data directory. Holds no descriptor and no lock, so there is nothing to close.
 *
 * References are the last thing that a fetch writes and the first that a removal takes away: a
 * reference implies that all it needs is on disk.
 */
export class ImageStore {
  readonly dataDir: string;

  private constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  /**
   * Opens the store at `dataDir` (absolute), making it when it is missing. A store on a read-only
   * file system opens; what writes to it fails.
   *
   * @throws EngineError `STORE_UNUSABLE`, `STORE_VERSION_UNSUPPORTED`, `STORE_CORRUPT`,
   *   `PERMISSION_DENIED`
   */
  static open(dataDir: string, { create = true }: OpenStoreOptions = {}): ImageStore {
    prepareStoreDirectory(dataDir, create);
    return new ImageStore(dataDir);
  }

  /**
   * The images, in the order in which their references were put. One read, no lock: the file is
   * replaced as a whole. Damaged entries are reported; they and those of other tools are left out.
   *
   * @throws EngineError `STORE_CORRUPT` when the file as a whole is unreadable, or missing from a
   *   store that was made: it has one before it has its version, and never loses it.
   */
  readReferences(onDamagedEntry?: OnDamagedEntry): ImageRecord[] {
    const records: ImageRecord[] = [];
    for (const entry of this.#readEntries()) {
      if (entry.record !== undefined) records.push(entry.record);
      else if (entry.problem !== undefined) onDamagedEntry?.(describeDamage(entry, entry.problem));
    }
    return records;
  }

  /** The entries that are damaged. @throws EngineError as `readReferences` */
  readDamagedEntries(): DamagedEntry[] {
    const damaged: DamagedEntry[] = [];
    this.readReferences((entry) => damaged.push(entry));
    return damaged;
  }

  /**
   * Manifests that entries name which are not ours, such as those that another tool put into the
   * layout. Collection keeps what they need.
   */
  readForeignManifests(): Digest[] {
    return this.#readEntries().flatMap((entry) =>
      entry.record === undefined ? (manifestDigestOf(entry) ?? []) : [],
    );
  }

  /**
   * Makes `record` what its reference means. Everything that the record needs must be written (its
   * bytes synced, not necessarily its names); after this returned, all of it survives a power cut.
   * The image that had the reference stays, without a name. Idempotent.
   */
  async putReference(record: ImageRecord, options: ChangeOptions = {}): Promise<void> {
    await syncContentDirectories(this.dataDir);
    await this.updateReferences((records) => withRecord(records, record), options);
  }

  /**
   * Takes `reference` away, whether its entry is whole or damaged. The image's files stay, for
   * collection to decide about. Idempotent; true when there was such a reference.
   */
  async removeReference(reference: string, options: ChangeOptions = {}): Promise<boolean> {
    let isFound = false;
    await this.#change((entries) => {
      isFound = entries.some((entry) => referenceOf(entry) === reference);
      return entries.filter((entry) => referenceOf(entry) !== reference);
    }, options);
    return isFound;
  }

  /**
   * Replaces the records by what `change` makes of them, alone among all processes. Entries that
   * are not ours are kept as they are, last, but for a damaged one whose reference a record has. `change` may be called again after an error and must
   * have no effects. Nothing is written when it returns the list that it was given.
   */
  async updateReferences(
    change: (records: readonly ImageRecord[]) => readonly ImageRecord[],
    options: ChangeOptions = {},
  ): Promise<void> {
    await this.#change((entries) => {
      const known = new Map(entries.map((entry) => [entry.record, entry]));
      const records = entries.flatMap(({ record }) => record ?? []);
      const changed = change(records);
      if (changed === records) return entries;
      return [
        ...changed.map((record) => known.get(record) ?? entryOf(record)),
        ...entries.filter((entry) => entry.record === undefined && !isReplaced(entry, changed)),
      ];
    }, options);
  }

  async #change(
    change: (entries: readonly LayoutEntry[]) => readonly LayoutEntry[],
    { signal }: ChangeOptions,
  ): Promise<void> {
    const path = layoutIndexFile(this.dataDir);
    await withStoreErrorsAsync('change the references in', path, async () => {
      const waiting = signal === undefined ? {} : { signal };
      using _lock = await FileLock.acquire(indexLockPath(this.dataDir), 'exclusive', waiting);
      const entries = this.#readEntries();
      const changed = change(entries);
      if (changed === entries) return;
      writeStoreFile(this.dataDir, path, encodeLayoutIndex(changed));
      syncDirectory(this.dataDir);
    });
  }

  #readEntries(): readonly LayoutEntry[] {
    const path = layoutIndexFile(this.dataDir);
    const bytes = readStoreFile(path, MAX_LAYOUT_INDEX_BYTES);
    if (bytes !== undefined) return decodeLayoutIndex(bytes, path);
    if (!existsSync(versionFile(this.dataDir))) return [];
    // Another process may have made the store between the two looks.
    const late = readStoreFile(path, MAX_LAYOUT_INDEX_BYTES);
    if (late !== undefined) return decodeLayoutIndex(late, path);
    throw new EngineError('STORE_CORRUPT', `${quote(path)} is missing`, { hint: REPLACE_INDEX });
  }
}

function isReplaced(entry: LayoutEntry, records: readonly ImageRecord[]): boolean {
  const reference = entry.problem === undefined ? undefined : referenceOf(entry);
  return reference !== undefined && records.some((record) => record.reference === reference);
}

function describeDamage(entry: LayoutEntry, problem: string): DamagedEntry {
  const reference = referenceOf(entry);
  const which = reference === undefined ? '' : ` for ${quote(reference)}`;
  return { reference, problem: `the entry${which} in index.json is damaged: ${problem}` };
}
