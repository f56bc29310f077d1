/** Where a container's control group lies. */
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
