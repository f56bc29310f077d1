/**
 * The phases of a container. None is stored: each follows from where the directory is, whether its
 * lock is held, and which files are in it. So a phase can never be stale.
 *
 * | directory | lock | `pid` | `exit.json` | phase |
 * |---|---|---|---|---|
 * | `<id>.new` | any | | | not listed: nobody has seen it yet |
 * | `<id>` | held | no | no | preparing; restarting, if `run.json` counts a restart |
 * | `<id>` | held | yes | no | running; paused, if its control group is frozen |
 * | `<id>` | held | any | yes | exited (its supervisor is about to end) |
 * | `<id>` | free | any | yes | exited |
 * | `<id>` | free | no | no | created, if the file `created` is there; else as the next |
 * | `<id>` | free | any | no | exited; its supervisor was killed, so how is not known |
 * | `<id>.removed` | any | | | removing |
 *
 * Killed in any of these states, the container can be removed by anyone who gets the lock. Pure.
 */

/** Where a container is in its life. */
export type ContainerPhase =
  | 'created'
  | 'preparing'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'exited'
  | 'removing';

/** What is seen of a container on disk. */
export interface ContainerSigns {
  readonly isRemoving: boolean;
  /** Whether its supervisor lives. */
  readonly isLocked: boolean;
  readonly hasPid: boolean;
  readonly hasExit: boolean;
  /** Whether it stays although it never ran. */
  readonly isCreated: boolean;
  readonly isFrozen: boolean;
  /** Whether its supervisor has started it before. */
  readonly hasRestarted: boolean;
}

/** The phase of a container that looks like this. */
export function phaseOf(signs: ContainerSigns): ContainerPhase {
  const { isRemoving, isLocked, hasPid, hasExit } = signs;
  if (isRemoving) return 'removing';
  if (hasExit) return 'exited';
  if (!isLocked) return signs.isCreated && !hasPid ? 'created' : 'exited';
  if (hasPid) return signs.isFrozen ? 'paused' : 'running';
  return signs.hasRestarted ? 'restarting' : 'preparing';
}

/** What decides whether a container whose supervisor is gone is of any use. */
export interface RemainsSigns {
  readonly removeOnExit: boolean;
  readonly hasPid: boolean;
  readonly hasExit: boolean;
  readonly isCreated: boolean;
}

/**
 * Whether a container whose lock is free should go: it was to be removed when it ended, or it never
 * started. What waits to be started, or ran and was to be kept, stays for its user.
 */
export function isLitter({ removeOnExit, hasPid, hasExit, isCreated }: RemainsSigns): boolean {
  const hasNeverRun = !hasPid && !hasExit;
  return hasNeverRun ? !isCreated : removeOnExit;
}
