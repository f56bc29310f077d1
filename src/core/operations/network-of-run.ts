/** The network's plan for a container that needs one; those without load nothing of networks. */
import type { PreparedBundle } from '../runtime/bundle.ts';
import type { RunOptions } from '../runtime/run-options.ts';
import type { ImageSummary } from '../store/image-summary.ts';
import type { Engine } from './engine.ts';
import type { NetworkPlan } from './network-plan.ts';

/** What a plan is made from. */
export interface NetworkedRun {
  readonly id: string;
  readonly bundle: PreparedBundle;
  readonly options: RunOptions;
  readonly summary: ImageSummary;
}

/** As a property of a plan, which is absent without a network. @throws those of `planNetwork` */
export async function networkOf(
  engine: Engine,
  { id, bundle, options, summary }: NetworkedRun,
): Promise<{ readonly network?: NetworkPlan }> {
  if (typeof options.network === 'string') return {};
  const { planNetwork } = await import('./network-planning.ts');
  const { hostname } = bundle;
  const exposedPorts = summary.config.ExposedPorts;
  const network = planNetwork(engine, { id, hostname, options, exposedPorts });
  return network === undefined ? {} : { network };
}
