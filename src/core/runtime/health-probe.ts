/** One health check: a further process in the container, with an end to its patience. */
import { closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasErrno } from '../errors.ts';
import { waitForOrphan } from '../host/child-reaper.ts';
import { drainPipe, makePipe } from '../host/pipe.ts';
import { type AttachedProcess, spawnAttached } from '../host/process.ts';
import { requireObject } from '../oci/json-document.ts';
import { parseSignal } from '../oci/signals.ts';
import type { HealthCheck } from './health-check.ts';
import { RUNC_ENVIRONMENT, runcCommand } from './runc-program.ts';
import { signalIfThere } from './runc-run.ts';

/** The container that is checked. This process must be the subreaper of its runc. */
export interface ProbeTarget {
  readonly runcPath: string;
  readonly runtimeRoot: string;
  readonly containerId: string;
  readonly bundleDir: string;
}

/** What came of a check. */
export interface ProbeResult {
  /** The status of the process; -1 when it took too long or could not be started. */
  readonly exitCode: number;
  /** The start of what it wrote to both of its outputs. */
  readonly output: string;
}

const PROCESS_FILE = 'health-process.json';
const PID_FILE = 'health.pid';
const MOST_OUTPUT_BYTES = 4096;
const LAST_OUTPUT_MS = 100;

/**
 * Runs the check as the container's own process would: as its user, in its directory, with its
 * environment and its limits. One that takes too long is killed. Never rejects.
 */
export async function probeHealth(
  target: ProbeTarget,
  { command, timeoutMs }: HealthCheck,
): Promise<ProbeResult> {
  const output = new ProbeOutput();
  try {
    const runc = startProbe(target, command, output.takeWriteFd());
    const exitCode = await Promise.race([
      statusOf(target, runc),
      delay(timeoutMs, 'late' as const, { ref: false }),
    ]);
    if (exitCode !== 'late') return { exitCode, output: await output.text() };
    killProbe(target, runc);
    return { exitCode: -1, output: `the check did not end within ${timeoutMs} ms` };
  } catch (error) {
    return { exitCode: -1, output: error instanceof Error ? error.message : String(error) };
  } finally {
    output[Symbol.dispose]();
  }
}

function startProbe(
  target: ProbeTarget,
  command: readonly string[],
  writeFd: number,
): AttachedProcess {
  const { bundleDir, containerId } = target;
  const file = (name: string): string => join(bundleDir, name);
  rmSync(file(PID_FILE), { force: true });
  const config = readFileSync(file('config.json'), 'utf8');
  writeFileSync(file(PROCESS_FILE), probeProcess(config, command), { mode: 0o600 });
  const files = ['--pid-file', file(PID_FILE), '--process', file(PROCESS_FILE)];
  try {
    return spawnAttached(runcCommand(target, 'exec', '--detach', ...files, containerId), {
      stdio: ['ignore', writeFd, writeFd],
      env: RUNC_ENVIRONMENT,
      cwd: '/',
      newSession: true,
    });
  } finally {
    closeSync(writeFd);
  }
}

async function statusOf(target: ProbeTarget, runc: AttachedProcess): Promise<number> {
  const started = await runc.exited;
  const pid = readPid(target);
  if (started.status !== 0 || pid === undefined) return -1;
  const { status, signalName } = await waitForOrphan(pid, () => {});
  return status ?? 128 + (parseSignal(signalName ?? '') ?? 0);
}

/** It is our child until `statusOf` has seen its end, so its number is nobody else's. */
function killProbe(target: ProbeTarget, runc: AttachedProcess): void {
  const pid = readPid(target);
  if (pid === undefined) runc.kill('SIGKILL');
  else signalIfThere(pid, 'SIGKILL');
}

function readPid({ bundleDir }: ProbeTarget): number | undefined {
  try {
    return Number(readFileSync(join(bundleDir, PID_FILE), 'utf8'));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The container's own process with other arguments. Numbers keep all of their digits. */
function probeProcess(configText: string, args: readonly string[]): string {
  const config: unknown = JSON.parse(configText, keepDigits);
  const own = requireObject(requireObject(config, 'it', 'config').process, 'process', 'config');
  return JSON.stringify({ ...own, args, terminal: false, consoleSize: undefined });
}

function keepDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  const digits = typeof value === 'number' ? context?.source : undefined;
  return digits === undefined ? value : JSON.rawJSON(digits);
}

/** Takes what a check writes; more than is kept is read and thrown away, so that it never waits. */
class ProbeOutput implements Disposable {
  readonly #chunks: Buffer[] = [];
  readonly #writeFd: number;
  readonly #drain: ReturnType<typeof drainPipe>;
  #length = 0;

  constructor() {
    const { readFd, writeFd } = makePipe();
    this.#writeFd = writeFd;
    this.#drain = drainPipe(readFd, (chunk) => {
      const room = MOST_OUTPUT_BYTES - this.#length;
      if (room > 0) this.#chunks.push(Buffer.from(chunk.subarray(0, room)));
      this.#length += chunk.length;
    });
  }

  /** The writing end, for the check; whoever takes it closes it. */
  takeWriteFd(): number {
    return this.#writeFd;
  }

  async text(): Promise<string> {
    await Promise.race([this.#drain.ended, delay(LAST_OUTPUT_MS, undefined, { ref: false })]);
    return Buffer.concat(this.#chunks).toString();
  }

  [Symbol.dispose](): void {
    this.#drain[Symbol.dispose]();
  }
}
