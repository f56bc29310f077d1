/** Signals from any process to a container, and to the dray that supervises it. */
import { writeFileSync } from 'node:fs';
import type { ContainerListing } from '../container/container-directory.ts';
import { stopFile } from '../container/container-paths.ts';
import { isSupervised } from '../container/run-state.ts';
import { groupMembers, thawGroups } from '../host/control-group.ts';
import { isErrno, withSystemErrors } from '../host/libc.ts';
import { signalExactly } from '../host/pidfd.ts';

const SIGTERM = 15;
const SIGKILL = 9;

/**
 * Sends a signal to the first process of a container; false when there is none. The process must be
 * in the container's own control group, so a number that was given to another process is not
 * mistaken for it. A paused container goes on when it is killed.
 *
 * @throws SystemCallError
 */
export function signalContainer({ pid, run }: ContainerListing, signal: number): boolean {
  if (pid === undefined || run === undefined) return false;
  const isIt = (): boolean => run.cgroups.length === 0 || groupMembers(run.cgroups).includes(pid);
  const isSent = signalExactly(pid, signal, isIt);
  if (signal === SIGKILL) thawGroups(run.cgroups);
  return isSent;
}

/** Asks the dray that supervises a container to end it; false when it is gone. */
export function signalSupervisor({ run }: ContainerListing, signal = SIGTERM): boolean {
  if (run === undefined) return false;
  return signalExactly(run.supervisor.pid, signal, () => isSupervised(run));
}

/** Lets paused processes go on, so that they can end. */
export function thawContainer({ run }: ContainerListing): void {
  thawGroups(run?.cgroups ?? []);
}

/** Says that the end of this run is wanted, so that its supervisor starts no other. */
export function markStopped({ directory }: ContainerListing): void {
  try {
    withSystemErrors(`while marking ${directory}`, () =>
      writeFileSync(stopFile(directory), '', { mode: 0o600 }),
    );
  } catch (error) {
    // Gone meanwhile, or a disk that takes no more: a signal reaches it all the same.
    const isHarmless = ['ENOENT', 'ENOSPC', 'EROFS', 'EDQUOT'].some((code) => isErrno(error, code));
    if (!isHarmless) throw error;
  }
}
