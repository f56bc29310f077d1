/** The test's side of `view-rootfs.ts`. */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Snapshot } from './snapshot.ts';
import type { ViewAnswer, ViewRequest } from './view-rootfs.ts';

const PROGRAM = join(import.meta.dirname, 'view-rootfs.ts');

/** A process with a mount namespace of its own; disposing ends it, and every mount with it. */
export class Viewer implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', PROGRAM],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  readonly #lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();

  /** Mounts, does what is asked, and gives what a container would see. */
  async view(request: ViewRequest): Promise<Snapshot> {
    const answer = await this.#ask(request);
    if ('error' in answer) throw new Error(answer.error);
    return answer.lines;
  }

  /** Expects that mounting fails: the error, and what is mounted afterwards. */
  async fail(request: ViewRequest): Promise<{ error: string; leftMounts: readonly string[] }> {
    const answer = await this.#ask(request);
    assert.ok('error' in answer, 'it was mounted');
    return answer;
  }

  async #ask(request: ViewRequest): Promise<ViewAnswer> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const line = await this.#lines.next();
    assert.ok(!line.done, 'the viewing process ended');
    return JSON.parse(line.value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }
}
