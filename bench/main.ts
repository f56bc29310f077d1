/**
 * The benchmark. Every number is a median of whole processes on this machine in this run, taken in
 * turns with what it is compared to; only the ratios mean something elsewhere.
 *
 *   npm run bench [-- --fetch-rounds 5 --run-rounds 40 --only fetch|run|networks|crowd|layers --json FILE]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DockerRegistry, pushWithSkopeo } from '../test/support/docker-registry.ts';
import { layoutManifest } from '../test/support/e2e.ts';
import { LoopExt4 } from '../test/support/loop-ext4.ts';
import { realImage } from '../test/support/real-images.ts';
import { measureFetch } from './fetch-bench.ts';
import { printSection, type Section } from './report.ts';
import {
  measureCrowd,
  measureLayers,
  measureNetworks,
  measureRun,
  type RunBenchOptions,
} from './run-bench.ts';

const { values } = parseArgs({
  options: {
    'fetch-rounds': { type: 'string', default: '5' },
    'run-rounds': { type: 'string', default: '40' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
});
const isWanted = (name: string): boolean => values.only === undefined || values.only === name;
const hasPodman = isInstalled('podman');
const sections: Section[] = [];
const RUNS = ['run', 'networks', 'crowd', 'layers'];

/** The floor of every run. */
const BARE = 'runc run, nothing around it';

function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function report(section: Section): void {
  sections.push(section);
  printSection(section);
}

async function push(
  registry: DockerRegistry,
  name: Parameters<typeof realImage>[0],
): Promise<string> {
  return pushWithSkopeo(await realImage(name), { registry, name: `${name}:1` }, { format: 'oci' });
}

async function benchFetch(registry: DockerRegistry): Promise<void> {
  const { layers } = layoutManifest(await realImage('app'));
  const reference = await push(registry, 'app');
  const subject = { registry, reference, repository: 'app', layers };
  const bytes = layers.reduce((total, { size }) => total + size, 0);
  const measured = await measureFetch(subject, {
    hasPodman,
    rounds: Number(values['fetch-rounds']),
  });
  report({
    title: `Cold fetch of ${layers.length} layers, ${(bytes / 1e6).toFixed(0)} MB of gzip, onto a fresh ext4`,
    measured,
    baseline: hasPodman ? 'podman pull' : 'dray fetch',
  });
}

async function benchRuns(registry: DockerRegistry): Promise<void> {
  using disk = LoopExt4.create({ sizeMiB: 2048 });
  const rounds = Number(values['run-rounds']);
  // Short: podman takes no long paths.
  for (const name of ['run', 'net', 'all', 'layers']) mkdirSync(join(disk.mountPoint, name));
  const reference = await push(registry, 'busybox');
  const within = (name: string): RunBenchOptions => {
    const directory = join(disk.mountPoint, name);
    for (const engine of ['dray', 'podman']) mkdirSync(join(directory, engine));
    return { directory, hasPodman, rounds };
  };
  if (isWanted('run')) {
    const measured = await measureRun(reference, within('run'));
    report({ title: 'Warm run of busybox true', measured, baseline: BARE });
  }
  if (isWanted('networks')) {
    const measured = await measureNetworks(reference, within('net'));
    const baseline = 'dray run --rm --network default';
    report({ title: 'Warm run of busybox true on a bridge', measured, baseline });
  }
  if (isWanted('crowd')) {
    const few = Math.ceil(rounds / 5);
    const measured = await measureCrowd(reference, { ...within('all'), rounds: few });
    report({ title: 'Warm runs of busybox true at once', measured, baseline: `16 × ${BARE}` });
  }
  if (isWanted('layers')) {
    const references = {
      one: await push(registry, 'layers-1'),
      hundred: await push(registry, 'layers-100'),
    };
    const measured = await measureLayers(references, { directory: disk.mountPoint, rounds });
    report({ title: 'Warm run of one tree', measured, baseline: 'dray run, 1 layer' });
  }
}

const machine = { processors: cpus().length, model: cpus()[0]?.model ?? '', kernel: release() };
console.log(`${machine.processors} × ${machine.model}, Linux ${machine.kernel}`);
await using registry = await DockerRegistry.start();
if (isWanted('fetch')) await benchFetch(registry);
if (RUNS.some(isWanted)) await benchRuns(registry);
const notMeasured = ['docker', 'containerd', ...(hasPodman ? [] : ['podman (not installed)'])];
console.log(`\nNot measured: ${notMeasured.join(', ')}.`);
const json = JSON.stringify({ machine, sections, notMeasured }, null, 2);
if (values.json === undefined) console.log(`\n${json}`);
else writeFileSync(values.json, `${json}\n`);
