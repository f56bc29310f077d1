/** `-v` and `--tmpfs`, in docker's notation. */
import { resolve } from 'node:path';
import { quote } from '../../core/errors.ts';
import { isVolumeName, VOLUME_NAME_RULE } from '../../core/oci/volume-name.ts';
import type { MountRequest, TmpfsRequest } from '../../core/runtime/run-options.ts';
import { parseTmpfsOptions } from './tmpfs-options.ts';
import { usageError } from './usage-error.ts';
import { parseVolumeMode } from './volume-mode.ts';

/**
 * One `-v [SOURCE:]DESTINATION[:MODE,…]`. A source with a slash or a leading dot is a path, relative
 * to `cwd`, and made when it is missing; any other is the name of a volume.
 */
export function parseVolumeFlag(text: string, cwd: string): MountRequest {
  const parts = text.split(':');
  const [first = '', second, third] = parts;
  if (parts.length > 3 || parts.includes('')) {
    throw usageError(`-v ${quote(text)} is not of the form [SOURCE:]DESTINATION[:MODE].`, {
      hint: 'For a path with a colon use --mount.',
    });
  }
  if (second === undefined) {
    const destination = requireAbsolute(first, text);
    return { type: 'volume', destination, readOnly: false, copyUp: true };
  }
  const destination = requireAbsolute(second, text);
  const { copyUp, recursive, propagation, ...shared } = parseVolumeMode(third, text);
  if (!isHostPath(first)) {
    const name = requireVolumeName(first, text);
    return { type: 'volume', name, destination, copyUp, ...shared };
  }
  const bind = { createSource: true, recursive, propagation } as const;
  return { type: 'bind', source: resolve(cwd, first), destination, ...bind, ...shared };
}

/** One `--tmpfs DESTINATION[:OPTIONS]`. */
export function parseTmpfsFlag(text: string): TmpfsRequest {
  const separator = text.indexOf(':');
  const destination = separator < 0 ? text : text.slice(0, separator);
  const options = separator < 0 ? '' : text.slice(separator + 1);
  return {
    type: 'tmpfs',
    destination: requireAbsolute(destination, text),
    options: parseTmpfsOptions(options),
  };
}

function isHostPath(source: string): boolean {
  return source.startsWith('/') || source.startsWith('.');
}

/** A destination: absolute. What it may be is decided in the image. */
export function requireAbsolute(destination: string, text: string): string {
  if (!destination.startsWith('/')) {
    throw usageError(
      `The destination ${quote(destination)} in ${quote(text)} is not an absolute path.`,
    );
  }
  return destination;
}

/** The name of a volume, safe as a file name. */
export function requireVolumeName(name: string, text: string): string {
  if (!isVolumeName(name)) {
    throw usageError(`${quote(name)} in ${quote(text)} is neither a path nor a volume's name.`, {
      hint: `Write a path with a leading "/" or "./"; a name has ${VOLUME_NAME_RULE}.`,
    });
  }
  return name;
}
