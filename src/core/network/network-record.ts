/** The networks that dray makes itself: one file each below the data directory. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { writeFileAtomic } from '../host/atomic-file.ts';
import { withSystemErrors } from '../host/libc.ts';
import { isJsonObject, type JsonObject, requireString } from '../oci/json-document.ts';
import { parseAddress, parseSubnet } from './addresses.ts';
import { isNetworkName } from './cni-config.ts';

/** A subnet of a network, and the host's own address in it. */
export interface NetworkSubnet {
  /** `BASE/PREFIX`. */
  readonly subnet: string;
  readonly gateway: string;
}

/** A network: a bridge of the host. */
export interface NetworkRecord {
  readonly name: string;
  /** The name of its interface on the host. */
  readonly bridge: string;
  /** One of IPv4, or one of IPv6, or both in this order. */
  readonly subnets: readonly NetworkSubnet[];
  /** Nothing leaves it and nothing comes in. */
  readonly isInternal: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly createdAt: string;
}

/** The network of containers that ask for none. It is made when it is first used. */
export const DEFAULT_NETWORK = 'default';

const BRIDGE_PREFIX = 'dray';
const LARGEST_FILE_BYTES = 1024 * 1024;

function networksDir(dataDir: string): string {
  return join(dataDir, 'networks');
}

function recordPath(dataDir: string, name: string): string {
  return join(networksDir(dataDir), `${name}.json`);
}

/**
 * The interface of a network: `dray0` for the default one of the usual data directory; others are
 * named after both, so that two data directories never share one.
 */
export function bridgeName(dataDir: string, name: string): string {
  if (dataDir === '/var/lib/dray' && name === DEFAULT_NETWORK) return `${BRIDGE_PREFIX}0`;
  const hash = createHash('sha256').update(`${dataDir}\0${name}`).digest('hex');
  return `${BRIDGE_PREFIX}-${hash.slice(0, 10)}`;
}

/** Bytes for `uniqueLocalSubnet`. */
export function randomNetworkBytes(): Buffer {
  return randomBytes(7);
}

/** Writes a record; whoever changes one holds the lock of networks. @throws SystemCallError */
export function writeNetworkRecord(dataDir: string, record: NetworkRecord): void {
  withSystemErrors('while making the directory of networks', () =>
    mkdirSync(networksDir(dataDir), { recursive: true, mode: 0o700 }),
  );
  writeFileAtomic(recordPath(dataDir, record.name), JSON.stringify({ version: 1, ...record }));
}

/** Removes a record. Idempotent. */
export function removeNetworkRecord(dataDir: string, name: string): void {
  rmSync(recordPath(dataDir, name), { force: true });
}

/**
 * The network of this name; undefined when dray has made none.
 *
 * @throws EngineError `STORE_CORRUPT`
 */
export function readNetworkRecord(dataDir: string, name: string): NetworkRecord | undefined {
  if (!isNetworkName(name)) return undefined;
  const path = recordPath(dataDir, name);
  try {
    const bytes = readFileSync(path);
    if (bytes.length > LARGEST_FILE_BYTES)
      throw new EngineError('STORE_CORRUPT', 'it is too large');
    return parseNetworkRecord(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    if (!(error instanceof SyntaxError || error instanceof EngineError)) throw error;
    throw new EngineError('STORE_CORRUPT', `${quote(path)} is damaged: ${error.message}`, {
      hint: `Remove the network and make it again: dray network rm ${name}`,
      cause: error,
    });
  }
}

/** All networks that dray has made and that are sound, by name. */
export function listNetworkRecords(dataDir: string): NetworkRecord[] {
  return names(networksDir(dataDir)).flatMap((file) => {
    if (!file.endsWith('.json')) return [];
    try {
      return readNetworkRecord(dataDir, file.slice(0, -'.json'.length)) ?? [];
    } catch (error) {
      if (error instanceof EngineError && error.code === 'STORE_CORRUPT') return [];
      throw error;
    }
  });
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** The inverse of what is written. @throws EngineError */
export function parseNetworkRecord(value: unknown): NetworkRecord {
  if (!isJsonObject(value)) throw new EngineError('STORE_CORRUPT', 'it is not an object');
  const subnets = Array.isArray(value.subnets) ? value.subnets.map(parseSubnetEntry) : [];
  const bridge = requireString(value.bridge, 'bridge', 'it');
  if (subnets.length === 0 || !/^[a-zA-Z0-9_.-]{1,15}$/.test(bridge)) {
    throw new EngineError('STORE_CORRUPT', 'it has no subnet or no bridge');
  }
  return {
    name: requireString(value.name, 'name', 'it'),
    bridge,
    subnets,
    isInternal: value.isInternal === true,
    labels: labelsOf(value.labels),
    createdAt: requireString(value.createdAt, 'createdAt', 'it'),
  };
}

function parseSubnetEntry(value: unknown): NetworkSubnet {
  const entry: JsonObject = isJsonObject(value) ? value : {};
  const { subnet, gateway } = entry;
  const isSound =
    typeof subnet === 'string' &&
    parseSubnet(subnet) !== undefined &&
    typeof gateway === 'string' &&
    parseAddress(gateway) !== undefined;
  if (!isSound) throw new EngineError('STORE_CORRUPT', 'it has a subnet that is none');
  return { subnet, gateway };
}

function labelsOf(value: unknown): Record<string, string> {
  const entries = Object.entries(isJsonObject(value) ? value : {});
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
