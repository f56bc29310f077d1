/**
 * What a container has of networks: `network.json` in its directory. Written before anything is
 * made, so whoever finds it after a kill knows what to undo; removed when all is undone.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, hasErrno } from '../errors.ts';
import { withSystemErrors } from '../host/libc.ts';
import {
  isJsonObject,
  type JsonObject,
  requireArray,
  requireString,
} from '../oci/json-document.ts';
import { type CniNetwork, parseCniNetwork } from './cni-config.ts';
import { type NetworkRecord, parseNetworkRecord } from './network-record.ts';
import type { PublishedPort } from './rules.ts';

/** One interface of a container. */
export interface AttachmentState {
  readonly ifname: string;
  /** The network's name. */
  readonly network: string;
  /** What the plugins are given. */
  readonly cni: CniNetwork;
  /** Of a network that dray has made, as it was then. */
  readonly own?: NetworkRecord;
  readonly args: Readonly<Record<string, string>>;
  readonly capabilities: JsonObject;
  /** Further names in this network. */
  readonly aliases: readonly string[];
  /** What ADD returned; absent until it has. */
  readonly result?: JsonObject;
}

/** All that is written down. */
export interface NetworkState {
  readonly attachments: readonly AttachmentState[];
  readonly ports: readonly PublishedPort[];
  /** Names by which the container finds itself. */
  readonly ownNames: readonly string[];
  /** Names by which others find it in networks that users have made. */
  readonly peerNames: readonly string[];
  /** Names of the first network's gateway, which is the host. */
  readonly gatewayNames: readonly string[];
}

const LARGEST_FILE_BYTES = 4 * 1024 * 1024;

function statePath(directory: string): string {
  return join(directory, 'network.json');
}

/** Where the container's namespace is mounted, in the mount namespace of its supervisor alone. */
export function namespacePath(directory: string): string {
  return join(directory, 'netns');
}

/** Writes the state; readers see all of it or nothing. @throws SystemCallError */
export function writeNetworkState(directory: string, state: NetworkState): void {
  const path = statePath(directory);
  withSystemErrors(`while writing ${path}`, () => {
    writeFileSync(`${path}.new`, JSON.stringify({ version: 1, ...state }), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  });
}

/** Forgets the state. Idempotent. */
export function removeNetworkState(directory: string): void {
  rmSync(statePath(directory), { force: true });
}

/** The state of the container in `directory`; undefined when it has none, or it is damaged. */
export function readNetworkState(directory: string): NetworkState | undefined {
  try {
    const bytes = readFileSync(statePath(directory));
    if (bytes.length > LARGEST_FILE_BYTES) return undefined;
    return parseState(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    const isDamaged = error instanceof EngineError || error instanceof SyntaxError;
    if (isDamaged || hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

function parseState(value: unknown): NetworkState {
  if (!isJsonObject(value)) throw new EngineError('STORE_CORRUPT', 'it is not an object');
  return {
    attachments: requireArray(value.attachments, 'attachments', 'it').map(parseAttachment),
    ports: requireArray(value.ports, 'ports', 'it').map(parsePort),
    ownNames: texts(value.ownNames),
    peerNames: texts(value.peerNames),
    gatewayNames: texts(value.gatewayNames),
  };
}

function parseAttachment(value: unknown): AttachmentState {
  const entry: JsonObject = isJsonObject(value) ? value : {};
  const cni = isJsonObject(entry.cni) ? entry.cni : {};
  return {
    ifname: requireString(entry.ifname, 'ifname', 'it'),
    network: requireString(entry.network, 'network', 'it'),
    cni: {
      ...parseCniNetwork(cni, 'it'),
      isCheckDisabled: cni.isCheckDisabled === true,
    },
    ...(entry.own === undefined ? {} : { own: parseNetworkRecord(entry.own) }),
    args: textMap(entry.args),
    capabilities: isJsonObject(entry.capabilities) ? entry.capabilities : {},
    aliases: texts(entry.aliases),
    ...(isJsonObject(entry.result) ? { result: entry.result } : {}),
  };
}

function parsePort(value: unknown): PublishedPort {
  const entry: JsonObject = isJsonObject(value) ? value : {};
  const { protocol, hostIp, hostPort, containerPort } = entry;
  const isSound =
    (protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp') &&
    isPort(hostPort) &&
    isPort(containerPort);
  if (!isSound) throw new EngineError('STORE_CORRUPT', 'it has a port that is none');
  return { protocol, hostPort, containerPort, ...(typeof hostIp === 'string' ? { hostIp } : {}) };
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function textMap(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(isJsonObject(value) ? value : {}).map(([key, text]) => [key, String(text)]),
  );
}
