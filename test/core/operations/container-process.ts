/** Runs or enters a container in a process of its own, on that process's own descriptors. */

import { EngineError } from '../../../src/core/errors.ts';
import { openEngine, runtimeRoot } from '../../../src/core/operations/engine.ts';
import { decode } from './process-request.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGWINCH'] as const;

/** Signals of this process, as the command line gives them. */
const signals = {
  subscribe: (handler: (name: NodeJS.Signals) => void): Disposable => {
    for (const name of SIGNALS) process.on(name, handler);
    return {
      [Symbol.dispose]: () => {
        for (const name of SIGNALS) process.off(name, handler);
      },
    };
  },
};

const request = decode(process.argv[2] ?? '');
const engine = openEngine(request.settings);
try {
  const { status } = await perform();
  process.exitCode = status;
} catch (error) {
  if (!(error instanceof EngineError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 125;
}

/** Each loads only what it needs. */
async function perform(): Promise<{ readonly status: number }> {
  if (request.kind === 'run') {
    const { runContainer } = await import('../../../src/core/operations/run-container.ts');
    return runContainer(engine, request.options, { signals });
  }
  if (request.kind === 'pause') return pauseForGood(request.container);
  const { enterContainer } = await import('../../../src/core/operations/enter-container.ts');
  return enterContainer(engine, request.container, { ...request.options, signals });
}

/** Pauses a container for a work that never ends. */
async function pauseForGood(containerId: string): Promise<never> {
  const { pausedWhile } = await import('../../../src/core/runtime/paused-while.ts');
  const { findRunc } = await import('../../../src/core/runtime/runc-program.ts');
  const container = { runcPath: findRunc(), runtimeRoot: runtimeRoot(engine), containerId };
  return pausedWhile(container, () => new Promise(() => setInterval(() => {}, 1000)));
}
