/** Timing of whole processes, taken in turns. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What one process cost. */
export interface Cost {
  readonly seconds: number;
  /** The most memory that the process itself held at once; its children do not count. */
  readonly peakMiB: number;
}

/** One thing that is measured against others. Set-up and clean-up are not timed. */
export interface Contender {
  readonly name: string;
  readonly work: () => Promise<Cost>;
  readonly before?: () => Promise<void> | void;
  readonly after?: () => Promise<void> | void;
}

/** The medians of one contender. */
export interface Measured {
  readonly name: string;
  readonly rounds: number;
  readonly median: Cost;
  readonly fastestSeconds: number;
  readonly slowestSeconds: number;
}

/**
 * Measures contenders in turns, round by round, so that a slow minute of the machine hits all of
 * them. The first round warms up and is dropped.
 */
export async function interleave(
  contenders: readonly Contender[],
  rounds: number,
): Promise<Measured[]> {
  const costs = contenders.map((): Cost[] => []);
  for (let round = 0; round <= rounds; round += 1) {
    for (const [position, contender] of contenders.entries()) {
      await contender.before?.();
      try {
        const cost = await contender.work();
        if (round > 0) costs[position]?.push(cost);
      } finally {
        await contender.after?.();
      }
    }
  }
  return contenders.map(({ name }, position) => summarise(name, costs[position] ?? []));
}

function summarise(name: string, costs: readonly Cost[]): Measured {
  const seconds = costs.map((cost) => cost.seconds).toSorted((a, b) => a - b);
  return {
    name,
    rounds: costs.length,
    median: {
      seconds: middle(seconds),
      peakMiB: middle(costs.map((cost) => cost.peakMiB).toSorted((a, b) => a - b)),
    },
    fastestSeconds: seconds[0] ?? Number.NaN,
    slowestSeconds: seconds.at(-1) ?? Number.NaN,
  };
}

function middle(sorted: readonly number[]): number {
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (upper + lower) / 2;
}

/** Runs a process to its end, with its output dropped; a failure is an error with its words. */
export async function timeProcess(
  argv: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Cost> {
  const scratch = mkdtempSync(join(tmpdir(), 'dray-bench-'));
  const memoryFile = join(scratch, 'memory');
  try {
    const start = performance.now();
    await finish(['/usr/bin/time', '-o', memoryFile, '-f', '%M', ...argv], env);
    const seconds = (performance.now() - start) / 1000;
    const peakMiB = Number(readFileSync(memoryFile, 'utf8').trim().split('\n').at(-1)) / 1024;
    return { seconds, peakMiB };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function finish(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, { stdio: ['ignore', 'ignore', 'pipe'], env });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-4096);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => {
      if (status === 0) resolve();
      else reject(new Error(`${argv.join(' ')} ended with ${signal ?? status}: ${words}`));
    });
  });
}
