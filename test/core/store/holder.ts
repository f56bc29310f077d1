/** A process that holds something of a store, for tests of what happens meanwhile and afterwards. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { cachingEnvironment } from './child-cache.ts';

const PROGRAM = join(import.meta.dirname, 'ingest-holder.ts');
const env = cachingEnvironment();

/** Ends with its process, by SIGKILL. */
export class Holder implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts it and waits until it holds what `argv` says, see `ingest-holder.ts`. */
  static async start(...argv: readonly string[]): Promise<Holder> {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', PROGRAM, ...argv],
      { stdio: ['pipe', 'pipe', 'inherit'], env },
    );
    const holder = new Holder(child);
    const [said] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    if (String(said) !== 'held\n') throw new Error(`the holder said ${String(said)}`);
    return holder;
  }

  /** Kills it, and waits until the kernel has. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
