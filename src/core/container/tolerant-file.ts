/** Reading files that others write, and that a crash may have damaged. */
import { readFileSync } from 'node:fs';
import { EngineError, hasErrno } from '../errors.ts';
import { MAX_RECORD_BYTES } from './container-record.ts';

/** A parsed file; undefined when it is missing or damaged. */
export function readTolerant<T>(
  path: string,
  parse: (bytes: Buffer, path: string) => T,
): T | undefined {
  try {
    const bytes = readFileSync(path);
    return bytes.length > MAX_RECORD_BYTES ? undefined : parse(bytes, path);
  } catch (error) {
    const isDamaged = error instanceof EngineError && error.code === 'STORE_CORRUPT';
    if (isDamaged || hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
