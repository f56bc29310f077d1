/** Where a container has had something mounted, from the config that dray wrote for it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../oci/json-document.ts';

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
  const mounts = readConfig(directory).mounts;
  const items: readonly unknown[] = Array.isArray(mounts) ? mounts : [];
  return items.filter(isJsonObject).map(({ type, destination, source, options }) => ({
    type: String(type),
    destination: String(destination),
    source: String(source),
    options: Array.isArray(options) ? options.map(String) : [],
  }));
}

/** Whether the container in `directory` has a root that it cannot write to. */
export function hasReadOnlyRoot(directory: string): boolean {
  const { root } = readConfig(directory);
  return isJsonObject(root) && root.readonly === true;
}

function readConfig(directory: string): JsonObject {
  try {
    const config: unknown = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8'));
    return isJsonObject(config) ? config : {};
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return {};
    throw error;
  }
}
