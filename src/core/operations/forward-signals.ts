/** Signals that this process receives while a container runs. */
import type { RunningContainer } from '../runtime/runc.ts';

/** Where signals come from. The command line subscribes to the process; the engine never does. */
export interface SignalSource {
  /** Calls `handler` for each signal received, until the result is disposed. */
  subscribe(handler: (signalName: NodeJS.Signals) => void): Disposable;
}

/** How signals reach the container. */
export interface ForwardOptions {
  /** Number of the signal that asks the container to end; SIGTERM is passed on as this one. */
  readonly stopSignal: number;
  /** After a SIGTERM the container is killed when it has not ended after so long. */
  readonly stopTimeoutSeconds: number | undefined;
}

// Whoever presses Ctrl-C a third time wants it gone: a first process without a handler never sees
// the first two, since the kernel drops them for a PID 1.
const SIGNALS_UNTIL_KILL = 3;

/**
 * Passes signals on to the container until the result is disposed. The third SIGINT or SIGTERM, of
 * either kind, kills it.
 */
export function forwardSignals(
  source: SignalSource,
  container: Pick<RunningContainer, 'forward' | 'kill'>,
  options: ForwardOptions,
): Disposable {
  let endRequests = 0;
  let timer: NodeJS.Timeout | undefined;
  const subscription = source.subscribe((signalName) => {
    const isEndRequest = signalName === 'SIGINT' || signalName === 'SIGTERM';
    if (isEndRequest) endRequests += 1;
    if (isEndRequest && endRequests >= SIGNALS_UNTIL_KILL) {
      void container.kill();
      return;
    }
    container.forward(signalName === 'SIGTERM' ? options.stopSignal : signalName);
    if (signalName === 'SIGTERM' && options.stopTimeoutSeconds !== undefined) {
      timer ??= setTimeout(() => void container.kill(), options.stopTimeoutSeconds * 1000);
    }
  });
  return {
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      subscription[Symbol.dispose]();
    },
  };
}
