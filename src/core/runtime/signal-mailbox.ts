/** Passing signals on to a container, also while it starts. */
import { signalIfThere } from './runc-run.ts';

/** Signals for the container's first process, kept while it starts. */
export class SignalMailbox {
  #pid: number | undefined;
  #isClosed = false;
  readonly #waiting: (NodeJS.Signals | number)[] = [];

  /** Sends a signal, or keeps it until the process is known. */
  send(signal: NodeJS.Signals | number): void {
    if (this.#isClosed) return;
    if (this.#pid === undefined) this.#waiting.push(signal);
    else signalIfThere(this.#pid, signal);
  }

  /** Names the process, and sends what has waited. */
  open(pid: number): void {
    this.#pid = pid;
    for (const signal of this.#waiting.splice(0)) signalIfThere(pid, signal);
  }

  /** Before the process is reaped: its pid may then be another one's. */
  close(): void {
    this.#isClosed = true;
  }
}
