/**
 * Shows progress on standard error: bars that are drawn again in place on a terminal, plain lines
 * elsewhere, warnings alone when quiet.
 */
import type { OnProgress, ProgressEvent } from '../core/progress.ts';
import { writeStderr } from './output.ts';
import { barLines, eventLine, noticeLine } from './progress-lines.ts';
import { FetchProgress } from './progress-state.ts';
import { openTerminal, type TerminalSize } from './terminal.ts';

/** A view; disposing it leaves the cursor on a line of its own. */
export interface ProgressView extends Disposable {
  readonly onProgress: OnProgress;
}

/** Where a view writes to. */
export interface ViewTarget {
  write(text: string): void;
  /** Undefined when lines cannot be drawn again in place. */
  size(): TerminalSize | undefined;
}

/** The view for this process's standard error; it looks at the terminal when there is news. */
export function openProgressView(options: { readonly isQuiet: boolean }): ProgressView {
  let view: ProgressView | undefined;
  return {
    onProgress: (event) => {
      if (options.isQuiet && event.type !== 'warning') return;
      view ??= viewOn(stderrTarget());
      view.onProgress(event);
    },
    [Symbol.dispose]: () => view?.[Symbol.dispose](),
  };
}

/** Does `work` with a view that is closed again before its result is shown. */
export async function withProgress<Result>(
  options: { readonly isQuiet: boolean },
  work: (onProgress: OnProgress) => Promise<Result>,
): Promise<Result> {
  using view = openProgressView(options);
  return await work(view.onProgress);
}

/** The view for a target. */
export function viewOn(target: ViewTarget): ProgressView {
  return target.size() === undefined ? new LineView(target) : new BarView(target);
}

function stderrTarget(): ViewTarget {
  const terminal = openTerminal();
  return { write: writeStderr, size: () => terminal?.size() };
}

class LineView implements ProgressView {
  readonly #target: ViewTarget;
  readonly #progress = new FetchProgress();

  constructor(target: ViewTarget) {
    this.#target = target;
  }

  readonly onProgress = (event: ProgressEvent): void => {
    this.#progress.apply(event, performance.now());
    const line = eventLine(event, this.#progress);
    if (line !== undefined) this.#target.write(`${line}\n`);
  };

  [Symbol.dispose](): void {}
}

const REDRAW_MS = 100;

/** Up `n` lines, and from there on everything erased. */
const eraseLines = (n: number) => (n === 0 ? '' : `\u001b[${n}A\r\u001b[J`);

class BarView implements ProgressView {
  readonly #target: ViewTarget;
  readonly #progress = new FetchProgress();
  #drawnLines = 0;
  #timer: NodeJS.Timeout | undefined;
  #isSettled = false;

  constructor(target: ViewTarget) {
    this.#target = target;
  }

  readonly onProgress = (event: ProgressEvent): void => {
    const isStart = event.type === 'resolving' || event.type === 'pushing';
    if (isStart) {
      this.#settle();
      this.#isSettled = false;
    }
    this.#progress.apply(event, performance.now());
    const line = isStart ? eventLine(event, this.#progress) : noticeLine(event);
    if (line !== undefined) this.#writeAbove(line);
    // The last that a fetch reports: what is written next may be a result, or a container's output,
    // which no later drawing may erase.
    if (event.type === 'merging') this.#settle();
    if (!this.#isSettled) this.#timer ??= setTimeout(() => this.#draw(), REDRAW_MS).unref();
  };

  [Symbol.dispose](): void {
    this.#settle();
  }

  /** Draws what is known for the last time, and leaves it on the screen. */
  #settle(): void {
    if (this.#isSettled) return;
    this.#draw();
    this.#drawnLines = 0;
    this.#isSettled = true;
  }

  #writeAbove(line: string): void {
    this.#target.write(`${eraseLines(this.#drawnLines)}${line}\n`);
    this.#drawnLines = 0;
    if (!this.#isSettled) this.#draw();
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const size = this.#target.size();
    if (size === undefined) return;
    const lines = barLines(this.#progress, size);
    const text = lines.map((line) => `${line}\n`).join('');
    this.#target.write(`${eraseLines(this.#drawnLines)}${text}`);
    this.#drawnLines = lines.length;
  }
}
