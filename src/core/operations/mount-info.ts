/** What a container has mounted, for commands that show it: from its record, running or not. */
import type { ContainerListing } from '../container/container-directory.ts';
import { readVolumeUses, type VolumeUse } from '../container/volume-uses.ts';
import { EngineError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../oci/json-document.ts';
import { volumeDataDir, volumeDir } from '../volume/volume-paths.ts';

/** One mount that a user or the image has asked for. Texts come from outside. */
export interface MountInfo {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  /** Of a volume. */
  readonly name?: string;
  /** Absolute path on the host; empty for a file system in memory. */
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  /** Of a bind. */
  readonly propagation: string;
  readonly options: readonly string[];
}

/**
 * The mounts of a container. Anonymous volumes are known once it has run. What is damaged in the
 * record is left out.
 */
export function mountsOf(
  dataDir: string,
  { directory, record }: Pick<ContainerListing, 'directory' | 'record'>,
): MountInfo[] {
  const requests = record?.options?.mounts;
  const asked = (Array.isArray(requests) ? requests : []).filter(isJsonObject);
  const uses = tolerantUses(directory);
  const volumes =
    uses.length > 0
      ? uses.map((use) => volumeInfo(dataDir, use, optionsAt(asked, use.destination)))
      : asked.flatMap((request) => requestedVolume(dataDir, request));
  return [...asked.flatMap(plainMount), ...volumes];
}

function plainMount(request: JsonObject): MountInfo[] {
  const { type, source, destination, readOnly, propagation } = request;
  if (typeof destination !== 'string') return [];
  const common = { destination, readOnly: readOnly === true, options: textsOf(request) };
  if (type === 'tmpfs') return [{ ...common, type, source: '', propagation: '' }];
  if (type !== 'bind' || typeof source !== 'string') return [];
  return [{ ...common, type, source, propagation: String(propagation ?? 'rprivate') }];
}

function requestedVolume(dataDir: string, request: JsonObject): MountInfo[] {
  const { type, name, destination, readOnly } = request;
  const isNamed = type === 'volume' && typeof name === 'string';
  if (!isNamed || typeof destination !== 'string') return [];
  const use = { volume: name, destination, readOnly: readOnly === true, isOwned: false };
  return [volumeInfo(dataDir, use, textsOf(request))];
}

function volumeInfo(
  dataDir: string,
  { volume, destination, readOnly }: VolumeUse,
  options: readonly string[],
): MountInfo {
  const source = volumeDataDir(volumeDir(dataDir, volume));
  return { type: 'volume', name: volume, source, destination, readOnly, propagation: '', options };
}

function optionsAt(requests: readonly JsonObject[], destination: string): readonly string[] {
  return textsOf(requests.find((request) => request.destination === destination) ?? {});
}

/** Flags of binds and volumes, options of tmpfs. */
function textsOf({ flags, options }: JsonObject): string[] {
  return [flags, options].flatMap((each) =>
    Array.isArray(each) ? each.filter((text) => typeof text === 'string') : [],
  );
}

function tolerantUses(directory: string): readonly VolumeUse[] {
  try {
    return readVolumeUses(directory).uses;
  } catch (error) {
    if (error instanceof EngineError && error.code === 'STORE_CORRUPT') return [];
    throw error;
  }
}
