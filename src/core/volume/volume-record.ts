/** What is written down about a volume, and reading it back. */
import { readFileSync, statSync } from 'node:fs';
import { EngineError, hasErrno } from '../errors.ts';
import { requireObject, requireString } from '../oci/json-document.ts';
import { isAnonymousVolumeName } from '../oci/volume-name.ts';
import { volumeRecordFile } from './volume-paths.ts';

/** What a volume is. Written before the volume is visible; only `ownerId` changes, by going. */
export interface VolumeRecord {
  readonly name: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Nobody gave it a name. */
  readonly isAnonymous: boolean;
  /**
   * The container that the volume was made for and goes with. A volume of an owner that is gone is
   * litter. Absent for named volumes and for those that outlived their container by intent.
   */
  readonly ownerId?: string;
}

const LARGEST_RECORD_BYTES = 1024 * 1024;

/** The bytes of a volume's record. */
export function encodeVolumeRecord(record: VolumeRecord): string {
  return JSON.stringify({ version: 1, ...record });
}

/**
 * The record of the volume `name` in `directory`; undefined when there is no such directory. A
 * record that is missing or damaged is made up: the content of a volume is worth more than its
 * labels, and a volume without an owner is removed by nobody but its user.
 */
export function readVolumeRecord(directory: string, name: string): VolumeRecord | undefined {
  try {
    const bytes = readFileSync(volumeRecordFile(directory));
    if (bytes.length <= LARGEST_RECORD_BYTES) return parseVolumeRecord(bytes, name);
  } catch (error) {
    const isDamaged = error instanceof SyntaxError || error instanceof EngineError;
    if (!isDamaged && !hasErrno(error, 'ENOENT') && !hasErrno(error, 'ENOTDIR')) throw error;
  }
  const stats = statSync(directory, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return undefined;
  const createdAt = stats.birthtime.toISOString();
  return { name, createdAt, labels: {}, isAnonymous: isAnonymousVolumeName(name) };
}

function parseVolumeRecord(bytes: Buffer, name: string): VolumeRecord {
  const object = requireObject(JSON.parse(bytes.toString('utf8')), 'the file', 'it');
  const labels = Object.entries(requireObject(object.labels, 'labels', 'it'));
  return {
    name,
    createdAt: requireString(object.createdAt, 'createdAt', 'it'),
    labels: Object.fromEntries(
      labels.map(([key, value]) => [key, requireString(value, 'labels', 'it')]),
    ),
    isAnonymous: object.isAnonymous === true,
    ...(typeof object.ownerId === 'string' ? { ownerId: object.ownerId } : {}),
  };
}
