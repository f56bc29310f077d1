/** SIGINT, SIGTERM and SIGHUP as an `AbortSignal`. */
import { constants } from 'node:os';
import { EngineError } from '../core/errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The user cancelled; carries the status of a process that died of the signal. */
export class CancelledError extends EngineError {
  readonly exitStatus: number;

  constructor(name: NodeJS.Signals) {
    super('CANCELLED', `cancelled by ${name}`);
    this.exitStatus = 128 + constants.signals[name];
  }
}

/** Aborts `signal` at the first signal; the second one ends the process at once. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = (name: NodeJS.Signals) => this.#onSignal(name);

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#listener);
  }

  /** Its reason is a `CancelledError`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#listener);
  }

  #onSignal(name: NodeJS.Signals): void {
    const cancelled = new CancelledError(name);
    if (this.signal.aborted) process.exit(cancelled.exitStatus);
    this.#controller.abort(cancelled);
  }
}
