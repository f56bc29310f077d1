/** Where a container has had something mounted, from the config that dray wrote for it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { isJsonObject } from '../oci/json-document.ts';

/** One mount of a container. */
export interface ContainerMount {
  readonly type: string;
  /** Absolute path in the container, without links. */
  readonly destination: string;
  /** For a bind, the absolute path on the host. */
  readonly source: string;
  readonly options: readonly string[];
}

/** The mounts of the container in `directory`, in order; none for one that never ran. */
export function containerMounts(directory: string): ContainerMount[] {
  let text: string;
  try {
    text = readFileSync(join(directory, 'config.json'), 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
  const config: unknown = JSON.parse(text);
  const mounts = isJsonObject(config) && Array.isArray(config.mounts) ? config.mounts : [];
  return mounts.filter(isJsonObject).map(({ type, destination, source, options }) => ({
    type: String(type),
    destination: String(destination),
    source: String(source),
    options: Array.isArray(options) ? options.map(String) : [],
  }));
}
