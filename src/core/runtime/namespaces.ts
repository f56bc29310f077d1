/** Namespaces of a container (runtime-spec `config-linux.md`). */
import { join } from 'node:path';
import type { RuntimeNamespace } from '../oci/runtime-spec.ts';
import type { NetworkChoice } from './run-options.ts';

/**
 * Everything is the container's own, except the network with `--network host`. One that is made or
 * shared beforehand is mounted at `netns` in the bundle.
 */
export function containerNamespaces(network: NetworkChoice, bundleDir: string): RuntimeNamespace[] {
  const types: RuntimeNamespace['type'][] = ['pid', 'ipc', 'uts', 'mount', 'cgroup'];
  return [...types.map((type) => ({ type })), ...networkNamespace(network, bundleDir)];
}

function networkNamespace(network: NetworkChoice, bundleDir: string): RuntimeNamespace[] {
  if (network === 'host') return [];
  return [{ type: 'network', ...(network === 'none' ? {} : { path: join(bundleDir, 'netns') }) }];
}

/**
 * In a network of its own a container may bind any port and send pings without a capability. One that
 * is shared is not changed.
 */
export function networkSysctls(network: NetworkChoice): Readonly<Record<string, string>> {
  const isOwn = network === 'none' || (typeof network === 'object' && network.kind === 'own');
  if (!isOwn) return {};
  return {
    'net.ipv4.ip_unprivileged_port_start': '0',
    'net.ipv4.ping_group_range': '0 2147483647',
  };
}
