/** Running one container through runc, as its parent. */
import { fstatSync } from 'node:fs';
import { runAttached } from './runc-attached.ts';
import { runDetached } from './runc-detached.ts';
import type { RuncRun, RunningContainer } from './runc-run.ts';

export type { ContainerExit, RunningContainer } from './runc-run.ts';

/**
 * Starts a container. The bundle must be complete and the root mounted at `rootfs` in it.
 *
 * When we are killed the container lives on: `startWatch` is for that.
 *
 * @throws SystemCallError when runc cannot be started
 */
export function runContainer(run: RuncRun): RunningContainer {
  const isOwn = run.stdio !== undefined || (!run.tty && isHandedOver(run));
  return isOwn ? runDetached(run) : runAttached(run);
}

// st_rdev of /dev/null, device 1:3.
const NULL_DEVICE = 0x103;

/**
 * Whether our descriptors can be the container's own. runc gives what it hands on to the container's
 * user; that must never happen to a file or a terminal of somebody else, so such a one is copied.
 */
export function isHandedOver({ stdin, uid }: Pick<RuncRun, 'stdin' | 'uid'>): boolean {
  const descriptors = stdin === 'inherit' ? [0, 1, 2] : [1, 2];
  return descriptors.every((descriptor) => {
    const found = fstatSync(descriptor);
    const isOurs = found.uid === uid || found.rdev === NULL_DEVICE;
    return isOurs || found.isFIFO() || found.isSocket();
  });
}
