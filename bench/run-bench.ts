/** Warm starts: what an engine adds to runc, and whether many layers cost anything. */
import { join } from 'node:path';
import { writeBareBundle } from '../test/support/bare-bundle.ts';
import { type BenchEngine, drayEngine, type EngineNetwork, podmanEngine } from './engines.ts';
import { type Cost, interleave, type Measured, timeProcess } from './measure.ts';

/** Where and how often; each measurement has a directory of its own. */
export interface RunBenchOptions {
  readonly directory: string;
  readonly hasPodman: boolean;
  readonly rounds: number;
}

/** `true` in busybox: runc alone, dray, podman. */
export async function measureRun(
  reference: string,
  { directory, hasPodman, rounds }: RunBenchOptions,
): Promise<Measured[]> {
  const engines = await enginesWith(reference, { directory, hasPodman });
  return interleave(
    [
      { name: 'runc run, nothing around it', work: bareRun(directory) },
      ...engines.map(runs(reference, 'none')),
    ],
    rounds,
  );
}

/** `true` in busybox on a bridge with NAT, beside the same without a network. */
export async function measureNetworks(
  reference: string,
  { directory, hasPodman, rounds }: RunBenchOptions,
): Promise<Measured[]> {
  const engines = await enginesWith(reference, { directory, hasPodman });
  return interleave(
    [...engines.map(runs(reference, 'default')), ...engines.map(runs(reference, 'none'))],
    rounds,
  );
}

const CROWD = 16;

/** Sixteen at once, until the last has ended. */
export async function measureCrowd(
  reference: string,
  { directory, hasPodman, rounds }: RunBenchOptions,
): Promise<Measured[]> {
  const engines = await enginesWith(reference, { directory, hasPodman });
  const bare = bareRun(directory);
  return interleave(
    [
      { name: `${CROWD} × runc run, nothing around it`, work: () => crowd(bare) },
      ...engines.map((engine) => ({
        name: `${CROWD} × ${engine.name} run --rm --network none`,
        work: () => crowd(() => engine.run(reference)),
      })),
    ],
    rounds,
  );
}

async function crowd(work: (member: number) => Promise<Cost>): Promise<Cost> {
  const start = performance.now();
  const costs = await Promise.all(Array.from({ length: CROWD }, (_, member) => work(member)));
  const seconds = (performance.now() - start) / 1000;
  return { seconds, peakMiB: Math.max(...costs.map(({ peakMiB }) => peakMiB)) };
}

/** runc on a prepared bundle. Members of a crowd need names of their own. */
function bareRun(directory: string): (member?: number) => Promise<Cost> {
  const bundleDir = join(directory, 'bundle');
  writeBareBundle(bundleDir);
  const command = ['runc', '--root', join(directory, 'runc'), 'run', '--bundle', bundleDir];
  return (member = 0) => timeProcess([...command, `dray-bench-${member}`]);
}

async function enginesWith(
  reference: string,
  { directory, hasPodman }: Omit<RunBenchOptions, 'rounds'>,
): Promise<BenchEngine[]> {
  const engines = [
    drayEngine(join(directory, 'dray')),
    ...(hasPodman ? [podmanEngine(join(directory, 'podman'))] : []),
  ];
  for (const engine of engines) await engine.fetch(reference);
  return engines;
}

function runs(reference: string, network: EngineNetwork) {
  return (engine: BenchEngine) => ({
    name: `${engine.name} run --rm --network ${network}`,
    work: () => engine.run(reference, network),
  });
}

/** The same tree in 1 and in 100 layers. */
export async function measureLayers(
  references: { readonly one: string; readonly hundred: string },
  options: { readonly directory: string; readonly rounds: number },
): Promise<Measured[]> {
  const engine = drayEngine(join(options.directory, 'layers'));
  for (const reference of Object.values(references)) await engine.fetch(reference);
  return interleave(
    [
      { name: 'dray run, 1 layer', work: () => engine.run(references.one) },
      { name: 'dray run, 100 layers', work: () => engine.run(references.hundred) },
    ],
    options.rounds,
  );
}
