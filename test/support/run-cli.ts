/** Drives `bin/run` as a user does: a child process with a store of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hostLeftovers } from './host-leftovers.ts';

/** The program under test: `bin/run`, or another build of dray that `DRAY_TEST_CLI` names. */
export const CLI = process.env.DRAY_TEST_CLI ?? new URL('../../bin/run', import.meta.url).pathname;

/** What a finished command left. */
export interface CliResult {
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
  /** Null when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A command that runs. */
export interface RunningCli {
  readonly child: ChildProcess;
  /** All of its standard output so far. */
  output(): string;
  readonly exited: Promise<CliResult>;
  kill(signal: NodeJS.Signals): void;
}

/** How one command is started. */
export interface CliOptions {
  /** Bytes for its standard input; without them it is empty. `open` keeps it open without a byte. */
  readonly stdin?: Buffer | string | 'open';
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly cwd?: string;
  /** Makes it the leader of a process group of its own, as a shell does. */
  readonly ownGroup?: boolean;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const LEFTOVER_PATIENCE_MS = 5_000;

/**
 * A store and a runtime directory for one test. Disposing checks that nothing of it is left on the
 * machine outside these directories (no mount, process, loop device or control group), then removes
 * them.
 */
export class CliHome implements AsyncDisposable {
  readonly directory: string;
  readonly dataDir: string;
  readonly runDir: string;
  readonly #before: readonly string[];

  constructor(parentDir = tmpdir()) {
    this.directory = mkdtempSync(join(parentDir, 'dray-home-'));
    this.dataDir = join(this.directory, 'data');
    this.runDir = join(this.directory, 'run');
    mkdirSync(this.runDir, { mode: 0o700 });
    this.#before = hostLeftovers(this.directory);
  }

  /** Starts `bin/run` with these arguments behind `--root`. */
  start(argv: readonly string[], options: CliOptions = {}): RunningCli {
    const env = {
      ...process.env,
      DRAY_RUN_DIR: this.runDir,
      // Networks change the machine and take time; who is about them says so.
      DRAY_NETWORK: 'none',
      DRAY_TRUST_POLICY: join(this.directory, 'trust.json'),
      DRAY_CONTAINERS_POLICY: join(this.directory, 'policy.json'),
      ...options.env,
    };
    return startCli(['--root', this.dataDir, ...argv], { ...options, env });
  }

  /** Runs `bin/run` to its end. */
  run(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    return this.start(argv, options).exited;
  }

  /** Runs a command that must succeed, and returns its standard output. */
  async succeed(argv: readonly string[], options: CliOptions = {}): Promise<string> {
    const result = await this.run(argv, options);
    if (result.status !== 0) {
      const how = result.signal ?? `status ${result.status}`;
      throw new Error(`dray ${argv.join(' ')} ended with ${how}\n${result.stderr}`);
    }
    return result.stdout;
  }

  /** What this home's commands left on the machine, after waiting for it to go. */
  async leftovers(patienceMs = LEFTOVER_PATIENCE_MS): Promise<string[]> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const left = hostLeftovers(this.directory).filter((line) => !this.#before.includes(line));
      if (left.length === 0 || performance.now() > deadline) return left;
      await delay(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = await this.leftovers();
    rmSync(this.directory, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
  }
}

function startCli(argv: readonly string[], options: CliOptions): RunningCli {
  const child = spawn(CLI, argv, {
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: options.env,
    cwd: options.cwd,
    detached: options.ownGroup ?? false,
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A command that ends before it has read its input is judged by its result.
  child.stdin?.on('error', () => {});
  if (options.stdin !== undefined && options.stdin !== 'open') child.stdin?.end(options.stdin);
  return {
    child,
    output: () => Buffer.concat(stdout).toString(),
    kill: (signal) => void child.kill(signal),
    exited: exitOf(child, { stdout, stderr, timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS }),
  };
}

function exitOf(
  child: ChildProcess,
  { stdout, stderr, timeoutMs }: { stdout: Buffer[]; stderr: Buffer[]; timeoutMs: number },
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      const words = Buffer.concat(stderr).toString();
      reject(new Error(`${child.spawnargs.join(' ')} did not end in ${timeoutMs} ms\n${words}`));
    }, timeoutMs);
    child.once('error', reject);
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      const stdoutBytes = Buffer.concat(stdout);
      resolve({
        stdout: stdoutBytes.toString(),
        stdoutBytes,
        stderr: Buffer.concat(stderr).toString(),
        status,
        signal,
      });
    });
  });
}
