/**
 * Names in a layer. Every name is taken relative to the root of the layer, whether it begins with
 * `/` or not; `.`, `..` and repeated slashes are resolved by text alone. No host path is ever made
 * from one: a name is a key in the merged tree, where symlinks are resolved inside the root.
 */
import { rejectedEntry } from './layer-error.ts';

/** Linux's PATH_MAX and NAME_MAX, without the closing NUL. */
const LONGEST_PATH = 4095;
const LONGEST_PART = 255;

/** How deep directories may nest: far beyond use, far below what exhausts a recursion. */
export const DEEPEST_PATH = 1024;

/**
 * The canonical form of a latin1 name: no leading or trailing `/`, no empty, `.` or `..` part. The
 * root is the empty string.
 *
 * @param name the name as the tar has it.
 * @param entryName names the entry for errors, where `name` is its link target.
 * @throws EngineError `LAYER_ENTRY_REJECTED` for a name that leads out of the root or is too long.
 */
export function cleanName(name: string, entryName: string = name): string {
  if (isClean(name)) return checkedLength(name, entryName);
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) throw rejectedEntry(entryName, leavesRoot(name, entryName));
  }
  return checkedLength(parts.join('/'), entryName);
}

function leavesRoot(name: string, entryName: string): string {
  return name === entryName ? 'leads out of the root' : 'links to a path outside the root';
}

// Most names need no work: a slash or dot at an edge of a part is what makes one unclean.
function isClean(name: string): boolean {
  if (name === '' || name.endsWith('/')) return name === '';
  return !/(?:^|\/)(?:\/|\.\.?(?:\/|$))|^\//.test(name);
}

function checkedLength(name: string, entryName: string): string {
  if (name.length > LONGEST_PATH) {
    throw rejectedEntry(
      entryName,
      `has a path of ${name.length} bytes; ${LONGEST_PATH} is the most`,
    );
  }
  if (name.length <= LONGEST_PART) return name;
  const parts = name.split('/');
  if (parts.length > DEEPEST_PATH) {
    throw rejectedEntry(
      entryName,
      `is ${parts.length} directories deep; ${DEEPEST_PATH} is the most`,
    );
  }
  const longest = parts.find((part) => part.length > LONGEST_PART);
  if (longest !== undefined) {
    throw rejectedEntry(
      entryName,
      `has a name of ${longest.length} bytes in its path; ${LONGEST_PART} is the most`,
    );
  }
  return name;
}

/**
 * A symlink target, verbatim: it is resolved by whoever follows it, inside the container.
 *
 * @throws EngineError `LAYER_ENTRY_REJECTED` when no file system could hold it.
 */
export function symlinkTarget(target: string, entryName: string): string {
  if (target === '') throw rejectedEntry(entryName, 'is a symlink without a target');
  if (target.length > LONGEST_PATH) {
    throw rejectedEntry(
      entryName,
      `is a symlink with a target of ${target.length} bytes; ${LONGEST_PATH} is the most`,
    );
  }
  return target;
}
