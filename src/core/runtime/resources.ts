/** Memory, processor and process limits of a container, and what a missing controller means. */
import { EngineError } from '../errors.ts';
import type { DeviceRule, RuntimeResources } from '../oci/runtime-spec.ts';
import type { HostFacts } from './host-facts.ts';
import type { RunOptions } from './run-options.ts';

/** How many processes a container may have when nothing is said: enough for a build, no bomb. */
export const DEFAULT_PIDS_LIMIT = 2048;

/** Below this no runtime can start a process at all. */
const LEAST_MEMORY_BYTES = 6 * 1024 * 1024;
const CPU_PERIOD_US = 100_000;

type LimitOptions = Pick<RunOptions, 'memoryBytes' | 'cpus' | 'pidsLimit'>;

/**
 * The `resources` of the runtime config.
 *
 * A limit that was asked for is applied or refused, never dropped; only the default process limit
 * gives way where the machine has no `pids` controller.
 *
 * @throws EngineError `USAGE_INVALID` for a limit out of range, `HOST_UNSUPPORTED` when the
 * controller is missing
 */
export function containerResources(
  options: LimitOptions,
  host: HostFacts,
  devices: readonly DeviceRule[],
): RuntimeResources {
  return {
    devices,
    ...memoryLimit(options.memoryBytes, host),
    ...cpuLimit(options.cpus, host),
    ...pidsLimit(options.pidsLimit, host),
  };
}

function memoryLimit(limit: number | undefined, host: HostFacts): Pick<RuntimeResources, 'memory'> {
  if (limit === undefined || limit === 0) {
    return {};
  }
  if (limit < LEAST_MEMORY_BYTES) {
    throw new EngineError(
      'USAGE_INVALID',
      `A memory limit must be at least 6 MiB (${LEAST_MEMORY_BYTES} bytes); ${limit} were given.`,
    );
  }
  requireController('memory', '--memory', host);
  // As much swap again as memory, which is what docker's --memory means.
  return { memory: { limit, ...(host.hasSwapLimit ? { swap: 2 * limit } : {}) } };
}

function cpuLimit(cpus: number | undefined, host: HostFacts): Pick<RuntimeResources, 'cpu'> {
  if (cpus === undefined || cpus === 0) {
    return {};
  }
  if (!(cpus >= 0.01 && cpus <= host.cpuCount)) {
    throw new EngineError(
      'USAGE_INVALID',
      `--cpus must be between 0.01 and ${host.cpuCount}, the processors of this machine; ${cpus} was given.`,
    );
  }
  requireController('cpu', '--cpus', host);
  return { cpu: { quota: Math.round(cpus * CPU_PERIOD_US), period: CPU_PERIOD_US } };
}

function pidsLimit(
  wanted: RunOptions['pidsLimit'],
  host: HostFacts,
): Pick<RuntimeResources, 'pids'> {
  if (wanted === 'unlimited') {
    return {};
  }
  if (wanted === undefined && !host.cgroupControllers.has('pids')) {
    return {};
  }
  requireController('pids', '--pids-limit', host);
  return { pids: { limit: wanted ?? DEFAULT_PIDS_LIMIT } };
}

function requireController(name: string, flag: string, host: HostFacts): void {
  if (!host.cgroupControllers.has(name)) {
    throw new EngineError(
      'HOST_UNSUPPORTED',
      `${flag} needs the cgroup controller "${name}", which this machine does not offer.`,
    );
  }
}
