/** Containers for tests of what works on containers: busybox in a store, run by a process of its own. */
import { type ChildProcess, execFileSync, type StdioOptions, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerListing } from '../../../src/core/container/container-directory.ts';
import { ContainerStore } from '../../../src/core/container/container-store.ts';
import type { EnterOptions } from '../../../src/core/operations/enter-container.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';
import type { RunOptions } from '../../../src/core/runtime/run-options.ts';
import type { BuiltImage } from '../../support/image-builder.ts';
import { writeLayout } from '../../support/layout-writer.ts';
import type { TempEngine } from '../../support/temp-engine.ts';
import { runOptions } from '../runtime/container-fixture.ts';
import { cachingEnvironment } from '../store/child-cache.ts';
import { encode, type ProcessRequest } from './process-request.ts';

const CHILD_ENVIRONMENT = cachingEnvironment();
const SCRIPT = join(import.meta.dirname, 'container-process.ts');

/** The command line of a process that runs or enters a container. */
export function processCommand(request: ProcessRequest): string[] {
  return [process.execPath, '--disable-warning=ExperimentalWarning', SCRIPT, encode(request)];
}

/** Puts an image into the store under `name`. */
export async function storeImage(temp: TempEngine, name: string, image: BuiltImage): Promise<void> {
  const layout = writeLayout(join(temp.directory, `layout-${name}`), [
    { image, refName: `${name}:latest` },
  ]);
  await fetchImage(temp.engine, `oci:${layout}`, { pullPolicy: 'update' });
}

/** Runs a container to its end, and keeps it. */
export async function runKept(
  temp: TempEngine,
  options: Partial<RunOptions> & { readonly name: string },
): Promise<ContainerListing> {
  using live = new LiveContainer(temp, { removeOnExit: false, ...options });
  await live.exited;
  return ContainerStore.find(temp.engine.settings.dataDir, options.name);
}

const POLL_MS = 10;

/** A container that runs until this is disposed. */
export class LiveContainer implements Disposable {
  readonly name: string;
  readonly supervisor: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly #dataDir: string;

  constructor(temp: TempEngine, options: Partial<RunOptions> & { readonly name: string }) {
    const { settings } = temp.engine;
    this.name = options.name;
    this.#dataDir = settings.dataDir;
    const all = runOptions({ command: ['/bin/sleep', '600'], ...options });
    const [file = '', ...args] = processCommand({ kind: 'run', settings, options: all });
    this.supervisor = spawn(file, args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: CHILD_ENVIRONMENT,
    });
    this.exited = new Promise((resolve) => this.supervisor.once('exit', resolve));
  }

  /** Starts a container and waits until it runs. */
  static async start(
    temp: TempEngine,
    options: Partial<RunOptions> & { readonly name: string },
  ): Promise<LiveContainer> {
    const live = new LiveContainer(temp, options);
    while (live.listing()?.phase !== 'running') {
      if (live.supervisor.exitCode !== null) throw new Error('the container did not start');
      await delay(POLL_MS);
    }
    return live;
  }

  listing(): ContainerListing | undefined {
    return ContainerStore.list(this.#dataDir).find(({ record }) => record?.name === this.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.supervisor.exitCode === null && this.supervisor.signalCode === null) {
      this.supervisor.kill('SIGTERM');
      await Promise.race([this.exited, delay(POLL_MS)]);
    }
  }

  [Symbol.dispose](): void {
    this.supervisor.kill('SIGKILL');
  }
}

/** How a process ended and what it printed. */
export interface EnterResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A process that enters a container. */
export class Entering {
  readonly child: ChildProcess;
  /** When it has ended, whoever else may still hold its output. */
  readonly exited: Promise<unknown>;
  /** When its output has ended, too. */
  readonly ended: Promise<EnterResult>;

  constructor(
    temp: TempEngine,
    container: string,
    request: Partial<EnterOptions> & {
      readonly stdin?: Buffer | number | 'pipe';
      readonly argv?: (argv: string[]) => string[];
    } = {},
  ) {
    const { stdin, argv = (words: string[]) => words, ...over } = request;
    const options: EnterOptions = {
      command: ['/bin/sh'],
      environment: [],
      tty: false,
      privileged: false,
      interactive: stdin !== undefined,
      detach: false,
      ...over,
    };
    const { settings } = temp.engine;
    const [file = '', ...args] = argv(
      processCommand({ kind: 'enter', settings, container, options }),
    );
    const first = typeof stdin === 'number' ? stdin : stdin === undefined ? 'ignore' : 'pipe';
    const stdio: StdioOptions = [first, 'pipe', 'pipe'];
    this.child = spawn(file, args, { stdio, env: CHILD_ENVIRONMENT });
    this.exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin?.on('error', () => {});
    if (Buffer.isBuffer(stdin)) this.child.stdin?.end(stdin);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    this.child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    this.child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    this.ended = new Promise((resolve) =>
      this.child.once('close', (status, signal) =>
        resolve({
          status,
          signal,
          stdout: Buffer.concat(stdout),
          stderr: Buffer.concat(stderr).toString(),
        }),
      ),
    );
  }
}

/** Runs a shell script in a running container. */
export function enterShell(
  temp: TempEngine,
  container: string,
  script: string,
  over: ConstructorParameters<typeof Entering>[2] = {},
): Promise<EnterResult> {
  return new Entering(temp, container, { command: ['/bin/sh', '-c', script], ...over }).ended;
}

/** Processes of this machine whose command line holds `text`. */
export function processesWith(text: string): string[] {
  const all = execFileSync('ps', ['-eo', 'pid,args', 'ww'], { encoding: 'utf8' }).split('\n');
  return all.filter((line) => line.includes(text) && !line.includes('ps -eo'));
}
