/**
 * Which volumes a container uses: `volumes.json` in its directory. There as long as the container
 * is, so a volume is in use exactly when such a file names it.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { withSystemErrors } from '../host/libc.ts';
import { requireArray, requireObject, requireString } from '../oci/json-document.ts';
import { containerEntries } from './container-directory.ts';
import type { ContainerId } from './container-id.ts';
import { containerDir } from './container-paths.ts';

/** One volume of a container. */
export interface VolumeUse {
  readonly volume: string;
  /** Where the container sees it. */
  readonly destination: string;
  readonly readOnly: boolean;
  /** Whether it was made for this container and goes with it. */
  readonly isOwned: boolean;
}

/** What a container has written down about its volumes. */
export interface VolumeUses {
  readonly uses: readonly VolumeUse[];
  /** Whether they were filled: a container that starts again finds what it left in them. */
  readonly isFilled: boolean;
}

/** A container that uses volumes. */
export interface VolumeUser extends VolumeUses {
  readonly containerId: ContainerId;
}

const LARGEST_FILE_BYTES = 4 * 1024 * 1024;

/** Writes the uses of a container that this process has locked. Readers see all of it or nothing. */
export function writeVolumeUses(directory: string, { uses, isFilled }: VolumeUses): void {
  const path = usesFile(directory);
  withSystemErrors(`while writing ${quote(path)}`, () => {
    writeFileSync(`${path}.new`, JSON.stringify({ version: 1, uses, isFilled }), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  });
}

/**
 * The uses of the container in `directory`; none when it has written down nothing, or is gone.
 *
 * @throws EngineError `STORE_CORRUPT` for a damaged file: what it named must not be removed
 */
export function readVolumeUses(directory: string): VolumeUses {
  const path = usesFile(directory);
  try {
    const bytes = readFileSync(path);
    if (bytes.length > LARGEST_FILE_BYTES)
      throw new EngineError('STORE_CORRUPT', 'it is too large');
    return parseUses(bytes);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return { uses: [], isFilled: false };
    if (!(error instanceof SyntaxError || error instanceof EngineError)) throw error;
    throw new EngineError('STORE_CORRUPT', `${quote(path)} is damaged: ${error.message}`, {
      hint: 'Remove that container: its volumes cannot be told from unused ones.',
      cause: error,
    });
  }
}

function parseUses(bytes: Buffer): VolumeUses {
  const object = requireObject(JSON.parse(bytes.toString('utf8')), 'the file', 'it');
  const uses = requireArray(object.uses, 'uses', 'it').map((entry) => {
    const use = requireObject(entry, 'uses', 'it');
    return {
      volume: requireString(use.volume, 'volume', 'it'),
      destination: requireString(use.destination, 'destination', 'it'),
      readOnly: use.readOnly === true,
      isOwned: use.isOwned === true,
    };
  });
  return { uses, isFilled: object.isFilled === true };
}

/** All containers that use volumes, whatever phase they are in. Takes no lock. */
export function volumeUsers(dataDir: string): VolumeUser[] {
  return containerEntries(dataDir).flatMap(({ id, suffix }) => {
    if (suffix !== '') return [];
    const directory = containerDir(dataDir, id);
    const { uses, isFilled } = readVolumeUses(directory);
    return uses.length === 0 ? [] : [{ containerId: id, uses, isFilled }];
  });
}

function usesFile(directory: string): string {
  return join(directory, 'volumes.json');
}
