/** The VOLUMEs of an image: where they may be. */
import { EngineError, quote } from '../errors.ts';
import { isWithin, lstatIfPresent, resolveRootPath } from './root-path.ts';

/** More VOLUMEs than this are no accident. */
const MOST_IMAGE_VOLUMES = 1000;

/** Where the container has file systems of its own. */
const KERNEL_PLACES = ['/proc', '/sys', '/dev'];

/** Destinations without links, and sentences about those that are passed over. */
export interface ImageVolumes {
  readonly destinations: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * The destinations of the VOLUMEs of an image, in a root that nothing else changes.
 *
 * VOLUME is a wish of whoever built the image. One that no path could fulfil (`/`, a relative one)
 * is refused, as by docker. One in /proc, /sys or /dev, or where the image has a file, is passed
 * over with a warning: /sys/fs/cgroup, for one, is a VOLUME of many images that run systemd.
 *
 * @throws EngineError `IMAGE_INVALID`
 */
export function imageVolumes(volumes: readonly string[], rootfsPath: string): ImageVolumes {
  if (volumes.length > MOST_IMAGE_VOLUMES) {
    throw new EngineError(
      'IMAGE_INVALID',
      `The image has ${volumes.length} VOLUMEs; at most ${MOST_IMAGE_VOLUMES} are accepted.`,
    );
  }
  const destinations: string[] = [];
  const warnings: string[] = [];
  for (const volume of volumes) {
    const destination = requirePlace(volume, rootfsPath);
    const why = unusable(destination, rootfsPath);
    if (why === undefined) destinations.push(destination);
    else warnings.push(`The VOLUME ${quote(volume)} of the image is passed over: ${why}.`);
  }
  return { destinations, warnings };
}

function requirePlace(volume: string, rootfsPath: string): string {
  const isAbsolute = volume.startsWith('/') && !volume.includes('\0');
  const destination = isAbsolute ? resolveRootPath(rootfsPath, volume) : undefined;
  if (destination !== undefined && destination !== '/') return destination;
  const why = isAbsolute ? 'is the root of the container' : 'is not an absolute path';
  throw new EngineError('IMAGE_INVALID', `The VOLUME ${quote(volume)} of the image ${why}.`, {
    hint: 'Build the image with another VOLUME; docker refuses this one, too.',
  });
}

function unusable(destination: string, rootfsPath: string): string | undefined {
  const place = KERNEL_PLACES.find((path) => isWithin(destination, path));
  if (place !== undefined) return `it lies in ${place}`;
  const stats = lstatIfPresent(rootfsPath + destination);
  return stats === undefined || stats.isDirectory()
    ? undefined
    : `${quote(destination)} is not a directory`;
}
