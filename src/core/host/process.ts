/**
 * Child processes: run one to its end, or start one on our own descriptors and stay its parent.
 *
 * There is no shell anywhere: a command is an argument vector whose first element is the program's
 * absolute path. The environment is given in full, nothing is inherited. No child gets a
 * descriptor that it was not given: everything above 2 is marked close-on-exec first, since Node
 * lets inherited descriptors through.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { Readable } from 'node:stream';
import { EngineError, quote } from '../errors.ts';
import { asSystemCallError, isErrno, markDescriptorsCloseOnExec, SystemCallError } from './libc.ts';

/** How a process ended: by itself with `status`, or by the signal `signalName`. One is null. */
export interface ProcessEnd {
  readonly status: number | null;
  readonly signalName: NodeJS.Signals | null;
}

/** The end of a process and all that it wrote. */
export interface CompletedProcess extends ProcessEnd {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** Limits and surroundings of a command that is run to its end. */
export interface RunOptions {
  /** The whole environment of the child. */
  readonly env: Readonly<Record<string, string>>;
  /** How long it may take, with all its output, before it is terminated. */
  readonly timeoutMs: number;
  /** How much it may write to stdout and to stderr, each. */
  readonly maxOutputBytes: number;
  /** Terminates the child; the reason is thrown once the child is gone. */
  readonly signal?: AbortSignal | undefined;
  /** What it reads from stdin; nothing by default. */
  readonly stdin?: Buffer | string | undefined;
  readonly cwd?: string | undefined;
}

/** How long a child has between SIGTERM and SIGKILL. */
export const TERMINATION_GRACE_MS = 2000;

/**
 * Runs `argv[0]` with the arguments that follow, and resolves when it has ended and closed its
 * output, whatever its status. When it must be stopped it gets SIGTERM and, `TERMINATION_GRACE_MS`
 * later, SIGKILL; we return only after it is gone.
 *
 * @throws SystemCallError when it cannot be started; `HOST_CALL_FAILED` when it takes too long or
 * writes too much; the reason of `signal`.
 */
export async function runToCompletion(
  argv: readonly string[],
  options: RunOptions,
): Promise<CompletedProcess> {
  options.signal?.throwIfAborted();
  const child = start(argv, {
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: options.env,
    cwd: options.cwd,
  });
  using stop = new Termination(child);
  const label = quote(argv[0] ?? '');
  const limit = options.maxOutputBytes;
  const tooMuch = () =>
    stop.because(
      new EngineError('HOST_CALL_FAILED', `${label} wrote more than ${limit} bytes of output.`),
    );
  const stdout = collect(child.stdout, limit, tooMuch);
  const stderr = collect(child.stderr, limit, tooMuch);
  stop.after(
    options.timeoutMs,
    new EngineError('HOST_CALL_FAILED', `${label} did not end within ${options.timeoutMs} ms.`),
  );
  stop.onAbort(options.signal);
  // A child may end without having read its input; its status says whether that was a failure.
  child.stdin?.on('error', () => {}).end(options.stdin);

  const end = await ended(child, 'close');
  if (stop.reason !== undefined) {
    throw stop.reason.error;
  }
  return { ...end, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) };
}

/** Descriptors and surroundings of a child that runs beside us. */
export interface AttachOptions {
  /** Descriptors of the child by number, as `child_process.spawn` takes them. */
  readonly stdio: StdioOptions;
  /** The whole environment of the child. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  /**
   * Whether the child gets a session, and so a process group, of its own: then a terminal's
   * signals do not reach it. Default false.
   */
  readonly newSession?: boolean | undefined;
}

/** A child that runs beside us. It is not ended when we end. */
export interface AttachedProcess {
  readonly pid: number;
  /** Resolves when the child has ended; never rejects. */
  readonly exited: Promise<ProcessEnd>;
  /** The child's end of each pipe that `stdio` asked for, by descriptor number. */
  readonly stdio: ChildProcess['stdio'];
  /** Sends a signal; false when the child has ended. */
  kill(signal: NodeJS.Signals | number): boolean;
  /** Lets our event loop end while the child still runs. */
  unref(): void;
}

/**
 * Starts `argv[0]` with the arguments that follow, on the given descriptors.
 *
 * @throws SystemCallError when it cannot be started.
 */
export function spawnAttached(argv: readonly string[], options: AttachOptions): AttachedProcess {
  const child = start(argv, { ...options, detached: options.newSession ?? false });
  const { pid } = child;
  if (pid === undefined) {
    // Node tells the reason in an event only, and our caller must not have to wait for it.
    child.on('error', () => {});
    const errno = whyNotStarted(child.spawnfile, options.cwd);
    throw new SystemCallError({ call: 'spawn', errno }, starting(argv));
  }
  return {
    pid,
    exited: ended(child, 'exit'),
    stdio: child.stdio,
    kill: (signal) => child.kill(signal),
    unref: () => child.unref(),
  };
}

interface StartOptions {
  readonly stdio: StdioOptions;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  readonly detached?: boolean;
}

function start(argv: readonly string[], options: StartOptions): ChildProcess {
  const [file, ...args] = argv;
  if (file === undefined) {
    throw new TypeError('a command needs at least one argument');
  }
  markDescriptorsCloseOnExec(3);
  try {
    return spawn(file, args, { ...options, shell: false });
  } catch (error) {
    throw asSystemCallError(error, starting(argv));
  }
}

function starting(argv: readonly string[]): string {
  return `while starting ${quote(argv[0] ?? '')}`;
}

// Follows the order of the child: first the working directory, then the program.
function whyNotStarted(file: string, cwd: string | undefined): string {
  try {
    accessSync(cwd ?? '/', constants.X_OK);
    accessSync(file, constants.X_OK);
    return 'EAGAIN';
  } catch (error) {
    return isErrno(error, 'EACCES') ? 'EACCES' : 'ENOENT';
  }
}

function ended(child: ChildProcess, event: 'exit' | 'close'): Promise<ProcessEnd> {
  return new Promise((resolve, reject) => {
    child.once(event, (status, signalName) => resolve({ status, signalName }));
    // A signal that could not be sent gives an error event too; the end is then still to come.
    child.on('error', (error) => {
      if (child.pid === undefined) {
        reject(asSystemCallError(error, starting(child.spawnargs)));
      }
    });
  });
}

function collect(stream: Readable | null, limit: number, onOverflow: () => void): Buffer[] {
  const chunks: Buffer[] = [];
  let total = 0;
  stream?.on('data', (chunk: Buffer) => {
    total += chunk.length;
    if (total > limit) {
      stream.pause();
      onOverflow();
    } else {
      chunks.push(chunk);
    }
  });
  return chunks;
}

/** The ways in which a child is made to end early; the first reason counts. */
class Termination implements Disposable {
  readonly #child: ChildProcess;
  readonly #cleanups: (() => void)[] = [];
  reason: { readonly error: unknown } | undefined;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  because(error: unknown): void {
    if (this.reason !== undefined) {
      return;
    }
    this.reason = { error };
    // The output is of no use any more, and a grandchild may keep it open.
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    this.#child.kill('SIGTERM');
    this.#schedule(TERMINATION_GRACE_MS, () => this.#child.kill('SIGKILL'));
  }

  after(durationMs: number, error: unknown): void {
    this.#schedule(durationMs, () => this.because(error));
  }

  onAbort(signal: AbortSignal | undefined): void {
    if (signal !== undefined) {
      const stop = () => this.because(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      this.#cleanups.push(() => signal.removeEventListener('abort', stop));
    }
  }

  #schedule(durationMs: number, action: () => void): void {
    const timer = setTimeout(action, durationMs);
    this.#cleanups.push(() => clearTimeout(timer));
  }

  [Symbol.dispose](): void {
    for (const cleanup of this.#cleanups) {
      cleanup();
    }
  }
}
