/** `inspect`: all that is known of one container. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerListing } from '../container/container-directory.ts';
import { logDir } from '../container/container-paths.ts';
import { ContainerStore } from '../container/container-store.ts';
import { type Health, readHealth } from '../container/health-file.ts';
import { EngineError, hasErrno } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../oci/json-document.ts';
import { DEFAULT_PATH } from '../runtime/environment.ts';
import { type HealthCheck, resolveHealthCheck } from '../runtime/health-check.ts';
import type { RunOptions } from '../runtime/run-options.ts';
import { decodeRunOptions } from '../runtime/run-options-json.ts';
import { type ImageSummary, readSummary } from '../store/image-summary.ts';
import { type ContainerNetwork, containerNetwork } from './container-network.ts';
import { type ContainerSizes, containerSizes } from './container-sizes.ts';
import type { Engine } from './engine.ts';
import { containerDirectories } from './mount-container.ts';
import { type MountInfo, mountsOf } from './mount-info.ts';

/** A container in full. Texts come from outside; a time of a damaged record may be none. */
export interface ContainerInspection
  extends Pick<
    ContainerListing,
    'id' | 'phase' | 'record' | 'exit' | 'pid' | 'startedAt' | 'directory'
  > {
  readonly restartCount: number;
  readonly isDetached: boolean;
  /** Undefined when nobody checks it. */
  readonly health: Health | undefined;
  readonly healthCheck: HealthCheck | undefined;
  /** What it was asked to be; undefined when the record is damaged. */
  readonly options: RunOptions | undefined;
  /** What the image says; undefined when its summary is gone or damaged. */
  readonly image: ImageSummary['config'] | undefined;
  /** What runc was last given; empty when it never ran. */
  readonly config: JsonObject;
  /** `NAME=value`, as the process has it or, before it first runs, would get from image and options. */
  readonly environment: readonly string[];
  readonly mounts: readonly MountInfo[];
  readonly network: ContainerNetwork;
  readonly paths: ContainerFiles;
  /** Only when asked for. */
  readonly sizes?: ContainerSizes;
}

/** Absolute paths of files and directories of a container; empty for those that are not there. */
export interface ContainerFiles {
  readonly resolvConf: string;
  readonly hostname: string;
  readonly hosts: string;
  /** Directory of the segments of its output. */
  readonly log: string;
  readonly upperDir: string;
  readonly workDir: string;
  /** Where the container's root is in the mount namespace of its supervisor. */
  readonly mergedDir: string;
  readonly lowerDir: string;
}

/**
 * Takes no lock.
 *
 * @param withSizes walks through what the container has written
 * @throws EngineError `CONTAINER_NOT_FOUND`
 */
export function inspectContainer(
  { settings: { dataDir } }: Engine,
  input: string,
  { withSizes = false }: { readonly withSizes?: boolean } = {},
): ContainerInspection {
  const listing = ContainerStore.find(dataDir, input);
  const { id, phase, record, exit, pid, startedAt, directory, run } = listing;
  const options = ifSound(() => decodeRunOptions(record?.options));
  const image = ifSound(() =>
    record === undefined ? undefined : readSummary(dataDir, record.imageId),
  );
  const config = readConfig(directory);
  return {
    id,
    phase,
    record,
    exit,
    pid,
    startedAt,
    directory,
    restartCount: run?.restartCount ?? 0,
    isDetached: run?.isDetached ?? false,
    health: readHealth(directory),
    healthCheck: resolveHealthCheck(options?.health, image?.config ?? {}),
    options,
    image: image?.config,
    config,
    environment: processEnvironment(config) ?? plannedEnvironment(options, image?.config.Env ?? []),
    mounts: mountsOf(dataDir, listing),
    network: containerNetwork(listing),
    paths: filesOf(directory),
    ...(withSizes ? { sizes: containerSizes(dataDir, listing) } : {}),
  };
}

/** Undefined for what is damaged or gone. */
function ifSound<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

function readConfig(directory: string): JsonObject {
  try {
    const config: unknown = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8'));
    return isJsonObject(config) ? config : {};
  } catch (error) {
    if (error instanceof SyntaxError || hasErrno(error, 'ENOENT')) return {};
    throw error;
  }
}

function processEnvironment({ process: started }: JsonObject): string[] | undefined {
  const entries = isJsonObject(started) ? started.env : undefined;
  if (!Array.isArray(entries)) return undefined;
  return entries.filter((entry) => typeof entry === 'string');
}

function plannedEnvironment(
  options: RunOptions | undefined,
  imageEnv: readonly string[],
): string[] {
  const variables = new Map([['PATH', DEFAULT_PATH]]);
  for (const entry of imageEnv) {
    const [name = '', ...rest] = entry.split('=');
    if (rest.length > 0) variables.set(name, rest.join('='));
  }
  for (const { name, value } of options?.environment ?? []) {
    if (value === undefined) variables.delete(name);
    else variables.set(name, value);
  }
  return Array.from(variables, ([name, value]) => `${name}=${value}`);
}

function filesOf(directory: string): ContainerFiles {
  const ifThere = (path: string): string => (existsSync(path) ? path : '');
  const { lowerMountPoint, upperDir, workDir, mountPoint } = containerDirectories(directory);
  return {
    resolvConf: ifThere(join(directory, 'resolv.conf')),
    hostname: ifThere(join(directory, 'hostname')),
    hosts: ifThere(join(directory, 'hosts')),
    log: ifThere(logDir(directory)),
    upperDir,
    workDir,
    mergedDir: mountPoint,
    lowerDir: lowerMountPoint,
  };
}
