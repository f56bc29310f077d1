/** Ends a container whose runc or whose supervisor is gone before it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { killGroupMembers, removeGroup } from '../host/control-group.ts';
import { cgroupDirectories } from './cgroup-path.ts';
import { deleteContainer } from './runc-delete.ts';
import type { RuncRun } from './runc-run.ts';

const LOOK_AGAIN_MS = 10;
const MOST_LOOKS = 500;

/** What is left of a container, and where. */
export interface Leftovers {
  readonly runcPath: string;
  readonly runtimeRoot: string;
  readonly containerId: string;
  /** Directories of the container's own control groups. */
  readonly groups: readonly string[];
}

/**
 * Kills every process in the container's control groups, removes the groups, and has runc remove its
 * state. runc knows a container only once it is complete; its first process is in the groups from
 * its first moment. Idempotent: nothing there is fine, and costs a few looks.
 *
 * @throws EngineError `RUNTIME_FAILED` with runc's words
 */
export async function endLeftovers(left: Leftovers): Promise<void> {
  const { groups, containerId } = left;
  for (let look = 0; look < MOST_LOOKS && killGroupMembers(groups) > 0; look += 1) {
    await delay(LOOK_AGAIN_MS);
  }
  const isKnown = existsSync(join(left.runtimeRoot, containerId));
  if (isKnown || groups.some((group) => existsSync(group))) {
    await deleteContainer(left, containerId);
  }
  for (const group of groups) removeGroup(group);
}

/** `endLeftovers` for a run of this process. */
export async function endContainer(run: RuncRun): Promise<void> {
  const { runcPath, runtimeRoot, containerId } = run;
  await endLeftovers({ runcPath, runtimeRoot, containerId, groups: controlGroups(run) });
}

/** The directories of a run's control groups; none when it has none of its own. */
export function controlGroups({ cgroupsPath }: Pick<RuncRun, 'cgroupsPath'>): string[] {
  if (cgroupsPath === undefined) return [];
  return cgroupDirectories(cgroupsPath, readFileSync('/proc/self/cgroup', 'utf8'));
}
