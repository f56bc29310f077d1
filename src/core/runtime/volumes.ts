/**
 * Binds, volumes and file systems in memory: from what was asked to mounts that the runtime can
 * make, with sources that exist.
 */
import { join } from 'node:path';
import { EngineError, quote } from '../errors.ts';
import type { RuntimeMount } from '../oci/runtime-spec.ts';
import { requireBindSource } from './bind-source.ts';
import type { Owner } from './chown-tree.ts';
import { imageVolumes } from './image-volumes.ts';
import { mountDestination } from './mount-destination.ts';
import type { BindRequest, MountRequest, TmpfsRequest, VolumeRequest } from './run-options.ts';
import type { MountedRoot } from './working-directory.ts';

/** A volume that a container needs. */
export interface WantedVolume {
  /** Undefined for one that goes with the container. */
  readonly name: string | undefined;
  /** Where the container sees it, without links. */
  readonly destination: string;
  readonly readOnly: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly subpath: string | undefined;
  /** A path, without links, whose content an empty volume is filled with if it is a directory. */
  readonly content: string | undefined;
}

/** Makes and fills volumes; the paths to mount, in the order of what was wanted. */
export type ProvideVolumes = (wanted: readonly WantedVolume[]) => Promise<readonly string[]>;

/** Where mounts are made and for what kind of container. */
export interface VolumeContext {
  readonly root: MountedRoot;
  /** Called once, if there are volumes at all. */
  readonly provideVolumes: ProvideVolumes;
  readonly privileged: boolean;
  /** The container's user, for `:U`. */
  readonly owner: Owner;
  /** Whether a recursive bind can be made read-only with all mounts below it (Linux 5.12). */
  readonly hasRecursiveReadOnly: boolean;
}

/** Mounts, and sentences for the user. */
export interface PreparedMounts {
  readonly mounts: readonly RuntimeMount[];
  readonly warnings: readonly string[];
}

type PlacedVolume = VolumeRequest & { readonly destination: string };

/**
 * Prepares every requested mount and the VOLUMEs of the image that no request covers.
 *
 * @throws EngineError `USAGE_INVALID` for a destination that is not allowed or used twice, or a
 * source that is missing; `IMAGE_INVALID` for impossible VOLUMEs; `HOST_UNSUPPORTED`; and those of
 * `provideVolumes`
 */
export async function prepareMounts(
  requests: readonly MountRequest[],
  volumesOfImage: readonly string[],
  context: VolumeContext,
): Promise<PreparedMounts> {
  const placed = placeRequests(requests, context);
  const { destinations, warnings } = imageVolumes(volumesOfImage, context.root.path);
  for (const destination of destinations) {
    if (!placed.has(destination)) {
      placed.set(destination, { type: 'volume', destination, readOnly: false, copyUp: true });
    }
  }
  const all = [...placed].map(([destination, request]) => ({ ...request, destination }));
  const volumes = all.filter((request): request is PlacedVolume => request.type === 'volume');
  const sources = volumes.length === 0 ? [] : await provide(volumes, context);
  const sourceOf = new Map<MountRequest, string | undefined>(
    volumes.map((volume, index) => [volume, sources[index]]),
  );
  const mounts: RuntimeMount[] = [];
  const notices: string[] = [];
  for (const request of all) {
    const mount = runtimeMount(request, context, sourceOf.get(request));
    if (request.type !== 'tmpfs' && request.chown) {
      const { chownTree } = await import('./chown-tree.ts');
      chownTree(mount.source, context.owner);
    }
    if (request.type === 'bind' && request.propagation.endsWith('slave')) {
      notices.push(...(await propagationWarning(request)));
    }
    mounts.push(mount);
  }
  return { mounts, warnings: [...warnings, ...notices] };
}

function placeRequests(
  requests: readonly MountRequest[],
  context: VolumeContext,
): Map<string, MountRequest> {
  const placed = new Map<string, MountRequest>();
  for (const request of requests) {
    const destination = mountDestination(context.root.path, request.destination, context);
    if (placed.has(destination)) {
      throw new EngineError('USAGE_INVALID', `Duplicate mount point: ${quote(destination)}.`, {
        hint: 'Give each destination once; links of the image may lead two to one place.',
      });
    }
    placed.set(destination, request);
  }
  return placed;
}

function provide(
  volumes: readonly PlacedVolume[],
  { root, provideVolumes }: VolumeContext,
): Promise<readonly string[]> {
  return provideVolumes(
    volumes.map(({ name, destination, readOnly, copyUp, labels, subpath }) => ({
      name,
      destination,
      readOnly,
      labels: labels ?? {},
      subpath,
      // A part of a volume has no content of the image, as with docker.
      content: copyUp && subpath === undefined ? join(root.path, destination) : undefined,
    })),
  );
}

function runtimeMount(
  request: MountRequest,
  context: VolumeContext,
  volumeSource: string | undefined,
): RuntimeMount {
  switch (request.type) {
    case 'bind':
      return bindMount(request, context);
    case 'tmpfs':
      return tmpfsMount(request);
    case 'volume':
      return volumeMount(request, volumeSource ?? '');
  }
}

function bindMount(request: BindRequest, context: VolumeContext): RuntimeMount {
  requireBindSource(request);
  const { destination, source, recursive, propagation, readOnly } = request;
  const options = [
    recursive ? 'rbind' : 'bind',
    propagation,
    readOnly ? 'ro' : 'rw',
    ...(readOnly && isReadOnlyBelow(request, context) ? ['rro'] : []),
    ...(request.flags ?? []),
  ];
  return { destination, type: 'bind', source, options };
}

async function propagationWarning({ source, propagation }: BindRequest): Promise<string[]> {
  const { privateMountOf } = await import('./mount-propagation.ts');
  const place = privateMountOf(source);
  return place === undefined
    ? []
    : [
        `${propagation} has no effect on ${quote(source)}: the mount ${quote(place)} is private; ` +
          `"mount --make-shared ${place}" changes that.`,
      ];
}

function isReadOnlyBelow(
  { recursive, readOnlyBelow, source }: BindRequest,
  { hasRecursiveReadOnly }: VolumeContext,
): boolean {
  if (readOnlyBelow === 'always' && !hasRecursiveReadOnly) {
    throw new EngineError(
      'HOST_UNSUPPORTED',
      `This kernel cannot make the mounts below ${quote(source)} read-only.`,
      { hint: 'Use Linux 5.12 or later, or leave "bind-recursive=readonly" out.' },
    );
  }
  return recursive && hasRecursiveReadOnly && readOnlyBelow !== 'never';
}

/** Nothing is executed, no device and no setuid bit honoured, unless the options say otherwise. */
function tmpfsMount({ destination, options: given }: TmpfsRequest): RuntimeMount {
  const guards = ['exec', 'suid', 'dev'].filter((name) => !given.includes(name));
  const options = [...guards.map((name) => `no${name}`), ...given];
  return { destination, type: 'tmpfs', source: 'tmpfs', options: [...new Set(options)] };
}

function volumeMount(request: VolumeRequest, source: string): RuntimeMount {
  const access = request.readOnly ? 'ro' : 'rw';
  const options = ['rbind', 'rprivate', access, ...(request.flags ?? [])];
  return { destination: request.destination, type: 'bind', source, options };
}
