/** `cp`: what its arguments mean. Docker's rules; pure. */
import { posix } from 'node:path';
import { EngineError, quote } from '../errors.ts';

/** One side of a copy. */
export type CopyPlace =
  /** `path` is absolute inside the container. */
  | { readonly kind: 'container'; readonly container: string; readonly path: CopyPath }
  /** `path` is absolute on the host. */
  | { readonly kind: 'host'; readonly path: CopyPath }
  /** A tar on standard input or output. */
  | { readonly kind: 'stream' };

/** A path and how it ends. */
export interface CopyPath {
  /** Absolute, without `.` and `..`, and without a slash at the end unless it is the root. */
  readonly path: string;
  /** It ended with a slash, so it must be a directory. */
  readonly mustBeDirectory: boolean;
  /** It ended with `/.`, or is the root: what is in the directory, not itself. */
  readonly isContents: boolean;
}

/**
 * Reads an argument of `cp`: `-`, `CONTAINER:PATH`, or a path of the host, relative to `cwd`. With a
 * slash at the start, or a dot before the colon, it is a path of the host (`./a:b`).
 *
 * @throws EngineError `USAGE_INVALID` for an empty path or name, or a NUL
 */
export function parseCopyPlace(text: string, cwd: string): CopyPlace {
  if (text.includes('\0')) throw usage(`${quote(text)} holds a NUL character`);
  if (text === '-') return { kind: 'stream' };
  const colon = text.startsWith('/') ? -1 : text.indexOf(':');
  const container = text.slice(0, Math.max(colon, 0));
  if (colon < 0 || container.startsWith('.')) {
    if (text === '') throw usage('the path to copy is empty');
    return { kind: 'host', path: copyPath(text, cwd) };
  }
  const path = text.slice(colon + 1);
  if (container === '' || path === '') {
    throw usage(`${quote(text)} is not of the form CONTAINER:PATH`);
  }
  return { kind: 'container', container, path: copyPath(path, '/') };
}

function copyPath(text: string, base: string): CopyPath {
  const isContents = /(^|\/)\.$/.test(text);
  const joined = posix.resolve(base, text);
  return {
    path: joined,
    mustBeDirectory: isContents || text.endsWith('/'),
    isContents: isContents || joined === '/',
  };
}

/** What a source turned out to be. */
export interface CopySource {
  readonly isDirectory: boolean;
  readonly path: CopyPath;
}

/** What a destination turned out to be. */
export type DestinationKind = 'missing' | 'directory' | 'other';

/**
 * Where the source goes: `into` the destination, which is a directory, under the name `as` (empty:
 * its contents, without a name); or beside what the destination's parent has, under its own name.
 */
export type CopyTarget =
  | { readonly kind: 'into'; readonly as: string }
  | { readonly kind: 'in-parent'; readonly as: string };

/**
 * Docker's table for the copy of files and directories.
 *
 * @throws EngineError `USAGE_INVALID` for a file onto `missing/`, or a directory onto a file
 */
export function copyTarget(
  source: CopySource,
  destination: { readonly kind: DestinationKind; readonly path: CopyPath },
): CopyTarget {
  const { kind, path } = destination;
  const name = posix.basename(source.path.path);
  if (kind === 'directory') {
    return { kind: 'into', as: source.isDirectory && source.path.isContents ? '' : name };
  }
  if (kind === 'other' && source.isDirectory) {
    throw usage(`a directory cannot be copied onto the file ${quote(path.path)}`);
  }
  if (path.mustBeDirectory && (kind === 'other' || !source.isDirectory)) {
    const why = kind === 'other' ? 'is not a directory' : 'does not exist';
    throw usage(`the destination directory ${quote(path.path)} ${why}`);
  }
  return { kind: 'in-parent', as: posix.basename(path.path) };
}

function usage(message: string): EngineError {
  return new EngineError('USAGE_INVALID', message, {
    hint: 'Write it as "dray cp CONTAINER:SOURCE DESTINATION" or "dray cp SOURCE CONTAINER:DESTINATION".',
  });
}
