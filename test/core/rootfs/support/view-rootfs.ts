/**
 * A process that mounts root file systems where nobody else sees them and tells what is in them.
 * It reads a `ViewRequest` in JSON from each line of stdin and answers with one line.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { unsharePrivateMounts } from '../../../../src/core/host/libc.ts';
import { unmount } from '../../../../src/core/host/mount.ts';
import { type MountPlan, mountRootfs } from '../../../../src/core/rootfs/backend.ts';
import { type Snapshot, snapshot } from './snapshot.ts';

/** What to mount, and what to do there. */
export interface ViewRequest {
  readonly plan: MountPlan;
  /** `look` takes a snapshot; `change` writes to the tree first. */
  readonly action: 'look' | 'change';
}

/** The answer to a `ViewRequest`. */
export type ViewAnswer =
  | { readonly lines: Snapshot }
  | { readonly error: string; readonly leftMounts: readonly string[] };

/** What a container does: write, replace, hide, and use a device of the image. */
function change(root: string): void {
  const at = (path: string): string => join(root, path);
  writeFileSync(at('etc/changed'), 'after');
  rmSync(at('etc/removed'));
  renameSync(at('etc/renamed'), at('etc/renamed-to'));
  chmodSync(at('etc/chmodded'), 0o600);
  chmodSync(root, 0o705);
  rmSync(at('tree'), { recursive: true });
  writeFileSync(at('tree'), 'a file now');
  const zero = openSync(at('dev/zero'), 'r');
  writeFileSync(at('from-zero'), Buffer.alloc(8, readSync(zero, Buffer.alloc(8))));
  closeSync(zero);
  if (readFileSync(at('etc/changed'), 'utf8') !== 'after') throw new Error('lost a write');
  if (existsSync(at('etc/removed'))) throw new Error('lost a removal');
}

function answer(request: ViewRequest): ViewAnswer {
  const { plan, action } = request;
  try {
    mountRootfs(plan);
    try {
      if (action === 'change') change(plan.mountPoint);
      return { lines: snapshot(plan.mountPoint) };
    } finally {
      unmount(plan.mountPoint, { detach: true });
      if (plan.backend !== 'directory') unmount(plan.lowerMountPoint, { detach: true });
    }
  } catch (error) {
    return { error: String(error), leftMounts: mountsBelow(dirname(plan.mountPoint)) };
  }
}

function mountsBelow(directory: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.filter((line) => line.includes(`${directory}/`));
}

unsharePrivateMounts();
for await (const line of createInterface({ input: process.stdin })) {
  const request: ViewRequest = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(answer(request))}\n`);
}
