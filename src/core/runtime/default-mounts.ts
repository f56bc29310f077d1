/** The file systems that every container has, and how requested mounts go together with them. */
import type { RuntimeMount } from '../oci/runtime-spec.ts';
import { isWithin } from './root-path.ts';

/** What the mounts depend on. */
export interface DefaultMountInput {
  readonly shmSizeBytes: number;
  /** A privileged container may write below /sys. */
  readonly privileged: boolean;
}

/** The mounts, parents before children. */
export function defaultMounts(input: DefaultMountInput): RuntimeMount[] {
  const access = input.privileged ? 'rw' : 'ro';
  const guarded = ['nosuid', 'noexec', 'nodev'];
  return [
    mount('/proc', 'proc', guarded),
    mount('/dev', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
    mount('/dev/pts', 'devpts', [
      'nosuid',
      'noexec',
      'newinstance',
      'ptmxmode=0666',
      'mode=0620',
      'gid=5',
    ]),
    mount('/dev/shm', 'tmpfs', [...guarded, 'mode=1777', `size=${input.shmSizeBytes}`], 'shm'),
    mount('/dev/mqueue', 'mqueue', guarded),
    mount('/sys', 'sysfs', [...guarded, access]),
    mount('/sys/fs/cgroup', 'cgroup', [...guarded, 'relatime', access]),
  ];
}

/**
 * The default mounts and the user's own, ordered so that a parent comes before what lies below it:
 * a mount at /etc hides none of the files that every container has there. A mount of the user
 * replaces a default at the same place, and one at /dev all defaults below it.
 */
export function mergeMounts(
  defaults: readonly RuntimeMount[],
  requested: readonly RuntimeMount[],
): RuntimeMount[] {
  const kept = defaults.filter(
    ({ destination }) =>
      !requested.some(
        (mine) =>
          mine.destination === destination ||
          (mine.destination === '/dev' && isWithin(destination, '/dev')),
      ),
  );
  return [...kept, ...requested].sort((a, b) => depth(a) - depth(b));
}

function depth({ destination }: RuntimeMount): number {
  return destination.split('/').length;
}

function mount(
  destination: string,
  type: string,
  options: readonly string[],
  source = type,
): RuntimeMount {
  return { destination, type, source, options };
}
