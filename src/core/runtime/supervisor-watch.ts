/**
 * Ends the container when its supervisor, which is this process, is killed.
 *
 * A shell in a session of its own waits on a pipe whose other end only we hold. However we end, even
 * by SIGKILL together with our whole process group, the kernel closes our end. If no word came
 * before, the shell has runc kill and remove the container, again and again for a few seconds:
 * runc may be about to start it. Then it kills what is left in the container's control groups,
 * which is all that remains when runc itself was killed half way, and removes them.
 *
 * A parent-death signal would not do: runc keeps the container when it dies, and the first process
 * of a container ignores every signal that it has no handler for.
 */
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { spawnAttached } from '../host/process.ts';
import { cgroupDirectories } from './cgroup-path.ts';
import { RUNC_ENVIRONMENT } from './runc-program.ts';

/** What the watch must know. */
export interface WatchTarget {
  readonly runcPath: string;
  readonly runtimeRoot: string;
  readonly containerId: string;
  /** `cgroupsPath` of the runtime config; absent, control groups are left alone. */
  readonly cgroupsPath?: string;
}

/** A running watch. */
export interface Watch extends Disposable {
  /** The pid of the shell. */
  readonly pid: number;
  /** Ends the watch without touching the container. Idempotent. */
  done(): void;
}

/**
 * The arguments are runc, its root, the id, and the directories of control groups. Once runc knew the
 * container and no longer does, nothing is left to do; until then it may be about to start.
 */
const SCRIPT = `
read -r word && exit 0
runc=$1 root=$2 id=$3
shift 3
tries=0 seen=
while [ $tries -lt 60 ]; do
  if "$runc" --root "$root" state "$id"; then seen=1; elif [ -n "$seen" ]; then break; fi
  "$runc" --root "$root" delete --force "$id"
  for group in "$@"; do
    [ -d "$group" ] || continue
    while read -r pid; do kill -9 "$pid"; done < "$group/cgroup.procs"
    rmdir "$group"
  done
  tries=$((tries + 1))
  sleep 0.05
done
`;

/**
 * Starts the watch; call it before runc is started. It holds none of our descriptors but the pipe,
 * and does not keep our event loop alive.
 *
 * @throws SystemCallError when the shell cannot be started
 */
export function startWatch(target: WatchTarget): Watch {
  const { runcPath, runtimeRoot, containerId, cgroupsPath } = target;
  const groups =
    cgroupsPath === undefined
      ? []
      : cgroupDirectories(cgroupsPath, readFileSync('/proc/self/cgroup', 'utf8'));
  const shell = spawnAttached(
    ['/bin/sh', '-c', SCRIPT, 'dray-watch', runcPath, runtimeRoot, containerId, ...groups],
    { stdio: ['pipe', 'ignore', 'ignore'], env: RUNC_ENVIRONMENT, cwd: '/', newSession: true },
  );
  shell.unref();
  const pipe = shell.stdio[0] as Writable | null;
  pipe?.on('error', () => {});
  if (pipe !== null && 'unref' in pipe && typeof pipe.unref === 'function') {
    pipe.unref();
  }
  const done = () => {
    pipe?.end('done\n');
  };
  return { pid: shell.pid, done, [Symbol.dispose]: done };
}
