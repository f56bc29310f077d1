/** The part of the demo behind the set-up: every command is shown as a user would type it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeBareBundle } from '../test/support/bare-bundle.ts';
import { busyboxImage } from '../test/support/busybox-image.ts';
import { writeLayout } from '../test/support/layout-writer.ts';

const ROUNDS = 15;
const workDir = mkdtempSync(join(tmpdir(), 'dray-demo-'));
const layoutDir = join(workDir, 'busybox');
const IMAGE = 'localhost/busybox';
const env = {
  ...process.env,
  DRAY_ROOT: join(workDir, 'store'),
  DRAY_RUN_DIR: join(workDir, 'run'),
};

/** Shows and runs one dray command, with the demo's own terminal. */
function dray(...argv: string[]): void {
  console.log(
    `\n$ dray ${argv.map((word) => (/[\s;$]/.test(word) ? `'${word}'` : word)).join(' ')}`,
  );
  const { status } = spawnSync('bin/run', argv, { stdio: 'inherit', env });
  if (status !== 0) throw new Error(`dray ${argv[0]} ended with status ${status}`);
}

/** Median milliseconds of each job; the jobs take turns, so that the machine's moods hit both. */
function compare(jobs: readonly (() => void)[]): number[] {
  const times = jobs.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, job] of jobs.entries()) {
      const start = performance.now();
      job();
      times[index]?.push(performance.now() - start);
    }
  }
  return times.map((list) => list.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0);
}

function showTiming(): void {
  const bundleDir = join(workDir, 'bundle');
  writeBareBundle(bundleDir);
  const runcRoot = join(workDir, 'bare');
  const run = ['run', '--rm', '--network', 'none', '--quiet', IMAGE, 'true'];
  const [ours = 0, bare = 0] = compare([
    () => execFileSync('bin/run', run, { env }),
    () =>
      execFileSync('runc', ['--root', runcRoot, 'run', '--bundle', bundleDir, 'dray-demo-bare']),
  ]);
  console.log(`\n${ROUNDS} warm runs of "true", medians:`);
  console.log(`  dray run               ${ours.toFixed(0)} ms`);
  console.log(
    `  runc, nothing around   ${bare.toFixed(0)} ms   (${(ours / bare).toFixed(1)} times)`,
  );
}

try {
  writeLayout(layoutDir, [{ image: busyboxImage(), refName: 'latest' }]);
  console.log(`An OCI image layout of busybox was made in ${layoutDir}.`);
  dray('fetch', `oci:${layoutDir}:latest`);
  dray('image', 'list');
  const run = ['run', '--rm', '--network', 'none'];
  dray(...run, IMAGE, 'echo', 'a', 'b', '--help', '--', '-la');
  dray(...run, '--hostname', 'demo', '--user', 'app', IMAGE, 'sh', '-c', 'hostname; id; ps');
  showTiming();
  dray('image', 'rm', IMAGE);
} finally {
  rmSync(workDir, { recursive: true, force: true });
}
