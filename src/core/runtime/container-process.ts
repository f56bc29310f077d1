/**
 * The first process of a running container, and its root file system through it.
 *
 * The number of a process may be another one's by the time it is used. So /proc/PID is opened first:
 * that descriptor stays with one process and gives nothing once it has ended. Then the process is
 * compared with what runc noted when it started it.
 */
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, hasErrno } from '../errors.ts';
import { O_PATH } from '../host/libc.ts';
import type { RootHandle } from '../host/resolve-in-root.ts';
import { isJsonObject } from '../oci/json-document.ts';

/** A container's first process that was there when this was opened. Disposing closes the root. */
export interface ContainerProcess extends Disposable {
  readonly pid: number;
  /** The container's `/` with all that is mounted there, as the container sees it now. */
  readonly root: RootHandle;
}

/** Where runc keeps what it knows of a container. */
export interface RuncContainer {
  readonly runtimeRoot: string;
  readonly containerId: string;
}

/**
 * Opens the root of a container's first process; undefined when it has ended.
 *
 * The container can change what is in its root at any time: look nothing up there but with
 * `openInRoot` and its kin.
 *
 * @throws EngineError `RUNTIME_FAILED` when what runc noted cannot be read
 */
export function openContainerProcess(container: RuncContainer): ContainerProcess | undefined {
  const noted = readRuncState(container);
  if (noted === undefined) return undefined;
  const flags = O_PATH | constants.O_DIRECTORY;
  try {
    const directory = openSync(`/proc/${noted.pid}`, flags);
    try {
      const own = `/proc/self/fd/${directory}`;
      if (startTimeOf(readFileSync(`${own}/stat`, 'latin1')) !== noted.startTime) return undefined;
      const fd = openSync(`${own}/root`, flags);
      const root = { fd, [Symbol.dispose]: () => closeSync(fd) };
      return { pid: noted.pid, root, [Symbol.dispose]: () => closeSync(fd) };
    } finally {
      closeSync(directory);
    }
  } catch (error) {
    // A zombie has no root any more.
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
}

/** proc(5): field 22; field 2 may hold anything. */
function startTimeOf(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
}

function readRuncState({ runtimeRoot, containerId }: RuncContainer) {
  const path = join(runtimeRoot, containerId, 'state.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  const state: unknown = JSON.parse(text);
  const pid = isJsonObject(state) ? state.init_process_pid : undefined;
  const startTime = isJsonObject(state) ? state.init_process_start : undefined;
  if (typeof pid === 'number' && pid > 0 && typeof startTime === 'number') {
    return { pid, startTime };
  }
  throw new EngineError(
    'RUNTIME_FAILED',
    `runc's state of the container ${containerId} is not as expected`,
  );
}
