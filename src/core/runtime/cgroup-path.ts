/** Where a container's control groups lie. */
import type { HostFacts } from './host-facts.ts';

/**
 * The `cgroupsPath` of a container.
 *
 * v1: relative, so runc makes it below our own control group and the limits we live under hold for
 * the container too. v2: at the root, because a group that holds processes (ours) cannot hand
 * controllers down. Both are one directory per container, with no directory of ours around it that
 * could stay behind.
 */
export function cgroupPath(containerId: string, version: HostFacts['cgroupVersion']): string {
  const name = `dray-${containerId}`;
  return version === 'v2' ? `/${name}` : name;
}

/**
 * The directories that runc makes for `cgroupsPath`, one per hierarchy.
 *
 * @param ownCgroups the text of our own `/proc/self/cgroup`, whose lines are
 * `number:controllers:path`, with no controllers in the line of v2
 */
export function cgroupDirectories(cgroupsPath: string, ownCgroups: string): string[] {
  const root = '/sys/fs/cgroup';
  const isRelative = !cgroupsPath.startsWith('/');
  return ownCgroups.split('\n').flatMap((line) => {
    const [, controllers, own] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || own === undefined) {
      return [];
    }
    const place = isRelative ? `${own}/${cgroupsPath}` : cgroupsPath;
    const hierarchies =
      controllers === ''
        ? [root, `${root}/unified`]
        : [`${root}/${controllers.replace('name=', '')}`];
    return hierarchies.map((hierarchy) => `${hierarchy}${place.replace(/\/+/g, '/')}`);
  });
}
