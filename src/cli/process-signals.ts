/** Signals that this process receives, as an `AbortSignal` and, for `run`, as events. */
import { constants } from 'node:os';
import { EngineError } from '../core/errors.ts';

/** Signals that end a command. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Signals that a container is given besides. Not those about children, pipes and urgent data, nor
 * those that cannot be caught or that the CPU raises.
 */
const PASSED_ON = [
  ...(['SIGABRT', 'SIGALRM', 'SIGCONT', 'SIGIO', 'SIGPWR', 'SIGTSTP', 'SIGUSR1'] as const),
  ...(['SIGUSR2', 'SIGVTALRM', 'SIGWINCH', 'SIGXCPU', 'SIGXFSZ'] as const),
];

type Handler = (name: NodeJS.Signals) => void;

/** The user cancelled; carries the status of a process that died of the signal. */
export class CancelledError extends EngineError {
  readonly exitStatus: number;

  constructor(name: NodeJS.Signals) {
    super('CANCELLED', `cancelled by ${name}`);
    this.exitStatus = 128 + constants.signals[name];
  }
}

/**
 * Catches signals until disposed. The first that ends a command aborts `signal`, the second ends the
 * process at once; once somebody subscribed, every signal goes there instead.
 */
export class ProcessSignals implements Disposable {
  readonly #names: readonly NodeJS.Signals[];
  readonly #controller = new AbortController();
  readonly #listener = (name: NodeJS.Signals) => this.#receive(name);
  #handler: Handler | undefined;
  #pending: NodeJS.Signals | undefined;

  constructor({ isPassedOn }: { readonly isPassedOn: boolean }) {
    this.#names = isPassedOn ? [...ENDING, ...PASSED_ON] : ENDING;
    for (const name of this.#names) process.on(name, this.#listener);
  }

  /** Its reason is a `CancelledError`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Gives signals to `handler`, first of all one that came when it was too late to abort. */
  subscribe(handler: Handler): Disposable {
    this.#handler = handler;
    if (this.#pending !== undefined) handler(this.#pending);
    return {
      [Symbol.dispose]: () => {
        this.#handler = () => {};
      },
    };
  }

  [Symbol.dispose](): void {
    for (const name of this.#names) process.off(name, this.#listener);
  }

  #receive(name: NodeJS.Signals): void {
    if (this.#handler !== undefined) {
      this.#handler(name);
      return;
    }
    if (!ENDING.some((ending) => ending === name)) return;
    const cancelled = new CancelledError(name);
    if (this.signal.aborted) process.exit(cancelled.exitStatus);
    this.#pending = name;
    this.#controller.abort(cancelled);
  }
}
