/** Warm starts: what an engine adds to runc, and whether many layers cost anything. */
import { join } from 'node:path';
import { writeBareBundle } from '../test/support/bare-bundle.ts';
import { type BenchEngine, drayEngine, podmanEngine } from './engines.ts';
import { interleave, type Measured, timeProcess } from './measure.ts';

/** `true` in busybox: runc alone, dray, podman. */
export async function measureRun(
  reference: string,
  options: { readonly directory: string; readonly hasPodman: boolean; readonly rounds: number },
): Promise<Measured[]> {
  const { directory, hasPodman, rounds } = options;
  const bundleDir = join(directory, 'bundle');
  writeBareBundle(bundleDir);
  const bare = [
    'runc',
    '--root',
    join(directory, 'runc'),
    'run',
    '--bundle',
    bundleDir,
    'dray-bench',
  ];
  const engines = [
    drayEngine(join(directory, 'dray')),
    ...(hasPodman ? [podmanEngine(join(directory, 'podman'))] : []),
  ];
  for (const engine of engines) await engine.fetch(reference);
  return interleave(
    [
      { name: 'runc run, nothing around it', work: () => timeProcess(bare) },
      ...engines.map(runs(reference)),
    ],
    rounds,
  );
}

function runs(reference: string) {
  return (engine: BenchEngine) => ({
    name: `${engine.name} run --rm --network none`,
    work: () => engine.run(reference),
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
