/** Where a bind mount comes from. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { withSystemErrors } from '../host/libc.ts';
import type { BindRequest } from './run-options.ts';

/**
 * Sees to it that the source of a bind is there: with `createSource` a missing one is made, as a
 * directory of mode 0755, with its parents.
 *
 * @throws EngineError `USAGE_INVALID` naming the path; SystemCallError
 */
export function requireBindSource({ source, createSource }: BindRequest): void {
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
    withSystemErrors(`while making the bind source ${quote(source)}`, () => makePath(source));
  }
}

// Not with `recursive`: in Node that never ends where the kernel lets nobody make a directory.
function makePath(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path) makePath(parent);
  try {
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}
