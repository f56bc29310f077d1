/**
 * Binds, volumes and file systems in memory: from what was asked to mounts that the runtime can
 * make, with sources that exist.
 *
 * A volume without a name lives as long as its container. The container's own writable layer does
 * that already, so such a volume is only a directory in it; with a read-only root it is a directory
 * of the bundle, filled from the image. A named volume is `<volumesDir>/<name>/_data`.
 */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { makeDirectoryInRoot } from '../host/resolve-in-root.ts';
import type { RuntimeMount } from '../oci/runtime-spec.ts';
import { mountDestination } from './mount-destination.ts';
import { isWithin, lstatIfPresent, resolveRootPath } from './root-path.ts';
import type { BindRequest, MountRequest, TmpfsRequest, VolumeRequest } from './run-options.ts';
import { prepareVolume } from './volume-directory.ts';
import type { MountedRoot } from './working-directory.ts';

/** Where volumes are made and for what kind of container. */
export interface VolumeContext {
  readonly root: MountedRoot;
  readonly bundleDir: string;
  readonly volumesDir: string;
  readonly readOnlyRoot: boolean;
  readonly privileged: boolean;
  /** Whether a recursive bind can be made read-only with all mounts below it (Linux 5.12). */
  readonly hasRecursiveReadOnly: boolean;
}

/** More VOLUMEs than this are no accident. */
const MOST_IMAGE_VOLUMES = 1000;

/**
 * Prepares every requested mount and the VOLUMEs of the image that no request covers.
 *
 * @throws EngineError `USAGE_INVALID` for a destination that is not allowed or used twice, or a
 * source that is missing; `IMAGE_INVALID` for an absurd number of VOLUMEs
 */
export async function prepareMounts(
  requests: readonly MountRequest[],
  imageVolumes: readonly string[],
  context: VolumeContext,
): Promise<RuntimeMount[]> {
  const placed = new Map<string, MountRequest>();
  for (const request of requests) {
    const destination = mountDestination(context.root.path, request.destination, context);
    if (placed.has(destination)) {
      throw new EngineError(
        'USAGE_INVALID',
        `Two mounts have the destination ${quote(destination)}.`,
      );
    }
    placed.set(destination, request);
  }
  for (const destination of usableImageVolumes(imageVolumes, context)) {
    if (!placed.has(destination)) {
      placed.set(destination, { type: 'volume', destination, readOnly: false, copyUp: true });
    }
  }
  const mounts: RuntimeMount[] = [];
  for (const [destination, request] of placed) {
    const mount = await prepareMount(destination, request, context);
    if (mount !== undefined) {
      mounts.push(mount);
    }
  }
  return mounts;
}

/**
 * VOLUME is a wish of whoever built the image. Places where nothing may be mounted are passed over:
 * /sys/fs/cgroup, for one, is a VOLUME of many images that run systemd.
 */
function usableImageVolumes(volumes: readonly string[], { root }: VolumeContext): string[] {
  if (volumes.length > MOST_IMAGE_VOLUMES) {
    throw new EngineError(
      'IMAGE_INVALID',
      `The image has ${volumes.length} VOLUMEs; at most ${MOST_IMAGE_VOLUMES} are accepted.`,
    );
  }
  return volumes
    .filter((path) => path.startsWith('/') && !path.includes('\0'))
    .map((path) => resolveRootPath(root.path, path))
    .filter((path) => path !== '/' && !['/proc', '/sys', '/dev'].some((top) => isWithin(path, top)))
    .filter((path) => {
      const stats = lstatIfPresent(root.path + path);
      return stats === undefined || stats.isDirectory();
    });
}

async function prepareMount(
  destination: string,
  request: MountRequest,
  context: VolumeContext,
): Promise<RuntimeMount | undefined> {
  switch (request.type) {
    case 'bind':
      return bindMount(destination, request, context);
    case 'tmpfs':
      return tmpfsMount(destination, request);
    case 'volume':
      return volumeMount(destination, request, context);
  }
}

function bindMount(
  destination: string,
  request: BindRequest,
  context: VolumeContext,
): RuntimeMount {
  requireSource(request);
  const access = request.readOnly
    ? ['ro', ...(request.recursive && context.hasRecursiveReadOnly ? ['rro'] : [])]
    : ['rw'];
  const bind = request.recursive ? 'rbind' : 'bind';
  const options = [bind, request.propagation, ...access];
  return { destination, type: 'bind', source: request.source, options };
}

function requireSource({ source, createSource }: BindRequest): void {
  try {
    statSync(source);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) {
      throw new EngineError('USAGE_INVALID', `The bind source ${quote(source)} cannot be used.`, {
        cause: error,
      });
    }
    if (!createSource) {
      throw new EngineError('USAGE_INVALID', `The bind source ${quote(source)} does not exist.`, {
        hint: `Make it first: mkdir -p ${source}`,
        cause: error,
      });
    }
    mkdirSync(source, { recursive: true, mode: 0o755 });
  }
}

/** Nothing is executed, no device and no setuid bit honoured, unless the options say otherwise. */
function tmpfsMount(destination: string, request: TmpfsRequest): RuntimeMount {
  const guards = ['exec', 'suid', 'dev'].filter((name) => !request.options.includes(name));
  const options = [...guards.map((name) => `no${name}`), ...request.options];
  return { destination, type: 'tmpfs', source: 'tmpfs', options: [...new Set(options)] };
}

async function volumeMount(
  destination: string,
  request: VolumeRequest,
  context: VolumeContext,
): Promise<RuntimeMount | undefined> {
  if (request.name === undefined && !request.readOnly && !context.readOnlyRoot) {
    const owner = { mode: 0o755, uid: 0, gid: 0 };
    makeDirectoryInRoot(context.root.handle, destination, owner);
    return undefined;
  }
  const directory =
    request.name === undefined
      ? join(context.bundleDir, 'volumes', encodeURIComponent(destination))
      : join(context.volumesDir, request.name);
  const imagePath = request.copyUp ? join(context.root.path, destination) : undefined;
  const source = await prepareVolume(directory, imagePath);
  const options = ['rbind', 'rprivate', request.readOnly ? 'ro' : 'rw'];
  return { destination, type: 'bind', source, options };
}
