/** What is written down about a container, and reading it back. */
import { EngineError, quote } from '../errors.ts';
import {
  type ChainId,
  type DiffId,
  type ImageId,
  isDigest,
  parseDiffId,
  parseDigest,
} from '../oci/digest.ts';
import {
  isJsonObject,
  type JsonObject,
  requireArray,
  requireObject,
  requireSize,
  requireString,
} from '../oci/json-document.ts';
import { type ContainerId, isContainerId } from './container-id.ts';

/** What a container is. Written before the container is visible; only its name may change. */
export interface ContainerRecord {
  readonly version: 1;
  readonly id: ContainerId;
  readonly name?: string;
  readonly imageId: ImageId;
  readonly chainId: ChainId;
  /** Layers whose data files the container has mounted. */
  readonly diffIds: readonly DiffId[];
  /** As the image was called when the container was made; only shown. */
  readonly reference?: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** The arguments of its process; only shown. */
  readonly command: readonly string[];
  readonly removeOnExit: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** All that the container was asked to be, as `runtime/run-options-json.ts` encodes it. */
  readonly options?: JsonObject;
}

/** How a container ended. */
export interface ContainerExit {
  /** The exit status, 128+n after signal n. */
  readonly status: number;
  /** The signal that ended it, such as `SIGKILL`. */
  readonly signal?: string;
  readonly finishedAt: Date;
  /** Why dray, not the container, ended it or never started it. */
  readonly error?: string;
  /** Whether the kernel killed a process of it for want of memory. */
  readonly isOutOfMemory?: boolean;
}

/** The largest record that is read; the arguments of a process cannot be longer. */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;

const KILLED_STATUS = 137;

/** The bytes of an exit file. */
export function encodeExit({ finishedAt, ...exit }: ContainerExit): string {
  return JSON.stringify({ version: 1, ...exit, finishedAt: finishedAt.toISOString() });
}

/** The end of a container whose supervisor was killed. */
export function killedExit(): ContainerExit {
  return {
    status: KILLED_STATUS,
    signal: 'SIGKILL',
    finishedAt: new Date(),
    error: 'the dray that supervised it was killed',
  };
}

/** Parses a record. @throws EngineError `STORE_CORRUPT` naming `path` */
export function parseRecord(bytes: Buffer, path: string): ContainerRecord {
  return parseVersioned(bytes, path, (object) => ({
    version: 1,
    id: containerIdOf(object.id),
    ...optionalText(object, 'name'),
    imageId: parseDigest(object.imageId, 'imageId'),
    chainId: chainIdOf(object.chainId),
    diffIds: requireArray(object.diffIds, 'diffIds', 'it').map((id) => parseDiffId(id, 'diffIds')),
    ...optionalText(object, 'reference'),
    createdAt: requireString(object.createdAt, 'createdAt', 'it'),
    command: requireArray(object.command, 'command', 'it').map((each) =>
      requireString(each, 'command', 'it'),
    ),
    removeOnExit: object.removeOnExit === true,
    ...labelsOf(object.labels),
    ...(isJsonObject(object.options) ? { options: object.options } : {}),
  }));
}

/** Parses an exit file. @throws EngineError `STORE_CORRUPT` naming `path` */
export function parseExit(bytes: Buffer, path: string): ContainerExit {
  return parseVersioned(bytes, path, (object) => ({
    status: requireSize(object.status, 'status', 'it'),
    ...optionalText(object, 'signal'),
    finishedAt: new Date(requireString(object.finishedAt, 'finishedAt', 'it')),
    ...optionalText(object, 'error'),
    ...(object.isOutOfMemory === true ? { isOutOfMemory: true } : {}),
  }));
}

/** Reads a file of version 1. @throws EngineError `STORE_CORRUPT` naming `path` */
export function parseVersioned<T>(
  bytes: Buffer,
  path: string,
  parse: (object: JsonObject) => T,
): T {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    const object = requireObject(value, 'the file', 'it');
    if (object.version !== 1) throw new EngineError('STORE_CORRUPT', 'it is not of version 1');
    return parse(object);
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof EngineError)) throw error;
    throw new EngineError('STORE_CORRUPT', `${quote(path)} is damaged: ${error.message}`, {
      cause: error,
    });
  }
}

function labelsOf(value: unknown) {
  if (!isJsonObject(value)) return {};
  const texts = Object.entries(value).filter((entry): entry is [string, string] => {
    return typeof entry[1] === 'string';
  });
  return { labels: Object.fromEntries(texts) };
}

function optionalText<K extends string>(
  object: JsonObject,
  key: K,
): { readonly [P in K]?: string } {
  const value = object[key];
  return (typeof value === 'string' ? { [key]: value } : {}) as { readonly [P in K]?: string };
}

function containerIdOf(value: unknown): ContainerId {
  if (isContainerId(value)) return value;
  throw new EngineError('STORE_CORRUPT', 'its "id" is not a container id');
}

function chainIdOf(value: unknown): ChainId {
  if (isDigest(value)) return value as string as ChainId;
  throw new EngineError('STORE_CORRUPT', 'its "chainId" is not a digest');
}
