/**
 * Ends the container when its supervisor, which is this process, is killed.
 *
 * A shell in a session of its own waits on a pipe whose other end only we hold. However we end, even
 * by SIGKILL together with our whole process group, the kernel closes our end, and the shell kills
 * what is in the container's control groups, where its first process is from its first moment. That
 * needs no other program and takes milliseconds. runc then removes its own state.
 *
 * runc may be only about to start the container. So the shell looks again and again until runc,
 * whose pid it was told, has ended; without the pid for three seconds.
 *
 * A parent-death signal would not do: runc leaves the container running when it dies, and the first
 * process of a container ignores every signal but SIGKILL that it has no handler for.
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
  /** Descriptor of the container's lock. The watch shares it, so it is free when both are done. */
  readonly lockFd?: number;
}

/** A running watch. */
export interface Watch extends Disposable {
  /** The pid of the shell. */
  readonly pid: number;
  /** Tells the watch which process is runc, at once after it was started. */
  runcStarted(runcPid: number): void;
  /** Ends the watch without touching the container. Idempotent. */
  done(): void;
}

/**
 * The arguments are runc, its root, the id, and the directories of control groups. A group's name
 * holds the container's id, so nothing else is ever in it.
 */
const SCRIPT = `
told=
while read -r line; do told=$line; done
runc=$1 root=$2 id=$3
shift 3
# A zombie has ended; whoever inherited it may take its time to look.
has_ended() {
  read -r stat < "/proc/$1/stat" || return 0
  case $stat in *") Z "*) return 0 ;; esac
  return 1
}
tries=0
while [ $tries -lt 60 ]; do
  for group in "$@"; do
    [ -d "$group" ] || continue
    while read -r member; do kill -9 "$member"; done < "$group/cgroup.procs"
    # In version 1 not even this signal reaches a frozen process.
    [ -e "$group/freezer.state" ] && echo THAWED > "$group/freezer.state"
  done
  [ -e "$root/$id/state.json" ] && "$runc" --root "$root" delete --force "$id" 3>&-
  if [ -n "$told" ] && has_ended "$told"; then break; fi
  tries=$((tries + 1))
  sleep 0.05 3>&-
done
"$runc" --root "$root" delete --force "$id" 3>&-
for group in "$@"; do [ -d "$group" ] && rmdir "$group"; done
`;

/**
 * Starts the watch; call it before runc is started. It holds none of our descriptors but the pipe
 * and the lock, and does not keep our event loop alive.
 *
 * @throws SystemCallError when the shell cannot be started
 */
export function startWatch(target: WatchTarget): Watch {
  const { runcPath, runtimeRoot, containerId, cgroupsPath, lockFd } = target;
  const groups =
    cgroupsPath === undefined
      ? []
      : cgroupDirectories(cgroupsPath, readFileSync('/proc/self/cgroup', 'utf8'));
  const shell = spawnAttached(
    ['/bin/sh', '-c', SCRIPT, 'dray-watch', runcPath, runtimeRoot, containerId, ...groups],
    {
      stdio: ['pipe', 'ignore', 'ignore', ...(lockFd === undefined ? [] : [lockFd])],
      env: RUNC_ENVIRONMENT,
      cwd: '/',
      newSession: true,
    },
  );
  shell.unref();
  const pipe = shell.stdio[0] as Writable | null;
  pipe?.on('error', () => {});
  if (pipe !== null && 'unref' in pipe && typeof pipe.unref === 'function') {
    pipe.unref();
  }
  const done = () => {
    shell.kill('SIGKILL');
  };
  return {
    pid: shell.pid,
    runcStarted: (runcPid) => {
      pipe?.write(`${runcPid}\n`);
    },
    done,
    [Symbol.dispose]: done,
  };
}
