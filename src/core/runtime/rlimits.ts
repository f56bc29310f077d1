/**
 * Resource limits. What is not asked for is inherited from us; what is asked for never exceeds our
 * own hard limit, which only CAP_SYS_RESOURCE could raise.
 */
import { RLIM_INFINITY } from '../oci/rlimit-names.ts';
import type { RuntimeRlimit } from '../oci/runtime-spec.ts';
import type { RlimitRequest } from './run-options.ts';

/** The limits to set, and a sentence for each that had to be lowered. */
export interface RlimitChoice {
  readonly rlimits: readonly RuntimeRlimit[];
  readonly warnings: readonly string[];
}

/** Lowers each request to our hard limit; the last request for a limit wins. */
export function chooseRlimits(
  requests: readonly RlimitRequest[],
  hardLimits: ReadonlyMap<string, bigint>,
): RlimitChoice {
  const chosen = new Map(requests.map((request) => [request.type, request]));
  const warnings: string[] = [];
  const rlimits = [...chosen.values()].map(({ type, soft, hard }) => {
    const ceiling = hardLimits.get(type) ?? RLIM_INFINITY;
    if (hard > ceiling) {
      warnings.push(
        `${type} cannot exceed this process's own hard limit: asked for ${hard}, set to ${ceiling}.`,
      );
    }
    return { type, soft: least(soft, ceiling), hard: least(hard, ceiling) };
  });
  return { rlimits, warnings };
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
