/** Namespaces of a container (runtime-spec `config-linux.md`). */
import type { RuntimeNamespace } from '../oci/runtime-spec.ts';
import type { RunOptions } from './run-options.ts';

/** Everything is the container's own, except the network with `--network host`. */
export function containerNamespaces(network: RunOptions['network']): RuntimeNamespace[] {
  const types: RuntimeNamespace['type'][] = ['pid', 'ipc', 'uts', 'mount', 'cgroup'];
  if (network === 'none') {
    types.push('network');
  }
  return types.map((type) => ({ type }));
}
