/** `-v`, `--mount` and `--tmpfs`, in docker's notation. */
import { resolve } from 'node:path';
import { quote } from '../../core/errors.ts';
import type {
  BindPropagation,
  MountRequest,
  TmpfsRequest,
} from '../../core/runtime/run-options.ts';
import { parseTmpfsOptions } from './tmpfs-options.ts';
import { usageError } from './usage-error.ts';

const PROPAGATIONS: ReadonlySet<string> = new Set(['private', 'rprivate', 'slave', 'rslave']);
/** Hints for other systems' file systems and security modules, without meaning here. */
const IGNORED_MODES: ReadonlySet<string> = new Set(['z', 'Z', 'consistent', 'cached', 'delegated']);
const VOLUME_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/;

interface VolumeMode {
  readonly readOnly: boolean;
  readonly copyUp: boolean;
  readonly propagation: BindPropagation;
}

/**
 * One `-v [SOURCE:]DESTINATION[:MODE,…]`. A source with a slash or a leading dot is a path, relative
 * to `cwd`, and made when it is missing; any other is the name of a volume.
 */
export function parseVolumeFlag(text: string, cwd: string): MountRequest {
  const parts = text.split(':');
  const [first = '', second, third] = parts;
  if (parts.length > 3 || parts.includes('')) {
    throw usageError(`-v ${quote(text)} is not of the form [SOURCE:]DESTINATION[:MODE].`);
  }
  if (second === undefined) {
    return {
      type: 'volume',
      destination: requireAbsolute(first, text),
      readOnly: false,
      copyUp: true,
    };
  }
  const destination = requireAbsolute(second, text);
  const { readOnly, copyUp, propagation } = parseMode(third, text);
  if (!isHostPath(first)) {
    return { type: 'volume', name: requireVolumeName(first, text), destination, readOnly, copyUp };
  }
  const source = resolve(cwd, first);
  const bind = { createSource: true, recursive: true, propagation } as const;
  return { type: 'bind', source, destination, readOnly, ...bind };
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

function parseMode(mode: string | undefined, text: string): VolumeMode {
  let readOnly = false;
  let copyUp = true;
  let propagation: BindPropagation = 'rprivate';
  for (const word of mode?.split(',') ?? []) {
    if (word === 'ro' || word === 'rw') {
      readOnly = word === 'ro';
    } else if (word === 'nocopy') {
      copyUp = false;
    } else if (!IGNORED_MODES.has(word)) {
      propagation = requirePropagation(word, `-v ${quote(text)}`);
    }
  }
  return { readOnly, copyUp, propagation };
}

/** A propagation that works; `flag` begins the sentence of the error. */
export function requirePropagation(word: string, flag: string): BindPropagation {
  if (word === 'shared' || word === 'rshared') {
    throw usageError(`${flag}: mounts of a container cannot be ${word} with the host.`, {
      hint: 'Use rslave, which lets mounts of the host appear in the container.',
    });
  }
  if (!isPropagation(word)) {
    throw usageError(`${flag}: ${quote(word)} is not a mode.`, {
      hint: 'Modes are ro, rw, nocopy, private, rprivate, slave and rslave.',
    });
  }
  return word;
}

function isPropagation(word: string): word is BindPropagation {
  return PROPAGATIONS.has(word);
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
  if (!VOLUME_NAME.test(name)) {
    throw usageError(`${quote(name)} in ${quote(text)} is neither a path nor a volume's name.`, {
      hint: 'Write a path with a leading "/" or "./"; a name has letters, digits, "_", "." and "-".',
    });
  }
  return name;
}
