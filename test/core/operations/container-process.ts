/** Runs or enters a container in a process of its own, on that process's own descriptors. */

import { EngineError } from '../../../src/core/errors.ts';
import { openEngine } from '../../../src/core/operations/engine.ts';
import { enterContainer } from '../../../src/core/operations/enter-container.ts';
import { runContainer } from '../../../src/core/operations/run-container.ts';
import { decode } from './live-container.ts';

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
  const { status } =
    request.kind === 'run'
      ? await runContainer(engine, request.options, { signals })
      : await enterContainer(engine, request.container, { ...request.options, signals });
  process.exitCode = status;
} catch (error) {
  if (!(error instanceof EngineError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 125;
}
