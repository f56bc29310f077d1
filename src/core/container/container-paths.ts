/**
 * Where containers lie below the data directory. Pure.
 *
 * | path | meaning |
 * |---|---|
 * | `containers/<id>/` | a container |
 * | `containers/<id>.new/` | one that is being made; nobody lists it |
 * | `containers/<id>.removed/` | one that is being removed |
 * | `containers/names/<name>` | symbolic link `../<id>`: who has the name |
 * | `containers/names/.lock` | held while a name is taken from a container that is gone |
 */
import { join } from 'node:path';
import type { ContainerId } from './container-id.ts';

/** Directory of all containers. */
export function containersDir(dataDir: string): string {
  return join(dataDir, 'containers');
}

/** Directory of one container. */
export function containerDir(dataDir: string, id: ContainerId): string {
  return join(dataDir, 'containers', id);
}

/** Where a container is made before it is visible. */
export function freshDir(dataDir: string, id: ContainerId): string {
  return `${containerDir(dataDir, id)}.new`;
}

/** Where a container goes to be removed. */
export function removedDir(dataDir: string, id: ContainerId): string {
  return `${containerDir(dataDir, id)}.removed`;
}

/** Directory of names. */
export function namesDir(dataDir: string): string {
  return join(dataDir, 'containers', 'names');
}

/** The link that says who has a name. `name` was checked by `parseContainerName`. */
export function nameLink(dataDir: string, name: string): string {
  return join(dataDir, 'containers', 'names', name);
}

/** The lock for taking names from containers that are gone; no name begins with a dot. */
export function namesLockPath(dataDir: string): string {
  return join(dataDir, 'containers', 'names', '.lock');
}

/** The lock that the supervisor of a container holds, in the container's directory. */
export function lockPath(directory: string): string {
  return join(directory, 'lock');
}

/** What the container is, in its directory. */
export function recordFile(directory: string): string {
  return join(directory, 'record.json');
}

/** How the container ended, in its directory. */
export function exitFile(directory: string): string {
  return join(directory, 'exit.json');
}

/** Written by the runtime when the container's process exists, in the container's directory. */
export function pidFile(directory: string): string {
  return join(directory, 'pid');
}

/** Marks a container that stays although nobody holds it and it never ran, in its directory. */
export function createdFile(directory: string): string {
  return join(directory, 'created');
}

/** What the current or last run of the container needs to be ended, in its directory. */
export function runFile(directory: string): string {
  return join(directory, 'run.json');
}

/** Marks a run that somebody asked to end, so that it is not restarted, in the directory. */
export function stopFile(directory: string): string {
  return join(directory, 'stop');
}

/** Directory of the output's segments, `1`, `2` and so on, in the container's directory. */
export function logDir(directory: string): string {
  return join(directory, 'log');
}

/** Outcomes of health checks, in the container's directory. */
export function healthFile(directory: string): string {
  return join(directory, 'health.json');
}
