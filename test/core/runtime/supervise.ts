/**
 * A supervisor in a process of its own, as `dray run` is one: it prepares a bundle around a root
 * that is there already, starts the watch and runc, and waits. Its request is a JSON argument; it
 * reports lines of JSON on descriptor 3: pids and the end.
 */
import { writeSync } from 'node:fs';
import { EngineError } from '../../../src/core/errors.ts';
import { prepareBundle } from '../../../src/core/runtime/bundle.ts';
import { readHostFacts } from '../../../src/core/runtime/host-facts.ts';
import { runContainer } from '../../../src/core/runtime/runc.ts';
import { runAttached } from '../../../src/core/runtime/runc-attached.ts';
import { findRunc } from '../../../src/core/runtime/runc-program.ts';
import { startWatch } from '../../../src/core/runtime/supervisor-watch.ts';
import { decodeRequest, plainVolumes } from './container-fixture.ts';

function report(line: Readonly<Record<string, unknown>>): void {
  writeSync(3, `${JSON.stringify(line)}\n`);
}

async function supervise(): Promise<void> {
  const { bundleDir, containerId, options, image, runtimeRoot, isCopied } = decodeRequest(
    process.argv[2] ?? '',
  );
  const bundle = await prepareBundle({
    options,
    image: { architecture: 'amd64', config: image },
    containerId,
    bundleDir,
    provideVolumes: (wanted) => plainVolumes(`${bundleDir}/named`, wanted),
    host: readHostFacts(),
  });
  const runcPath = findRunc();
  const { cgroupsPath } = bundle.config.linux;
  const target = { runcPath, runtimeRoot, containerId, cgroupsPath };
  using watch = startWatch(target);
  report({
    supervisorPid: process.pid,
    watchPid: watch.pid,
    warnings: bundle.warnings,
    stopSignal: bundle.stopSignal,
  });
  const start = isCopied ? runAttached : runContainer;
  const running = start({
    runcPath,
    runtimeRoot,
    bundleDir,
    containerId,
    stdin: options.interactive ? 'inherit' : 'ignore',
    tty: options.tty,
    uid: bundle.config.process.user.uid,
    ...(cgroupsPath === undefined ? {} : { cgroupsPath }),
    onStarted: (pid) => report({ startedPid: pid }),
  });
  watch.runcStarted(running.pid);
  report({ runcPid: running.pid });
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR1'] as const) {
    process.on(signal, () => running.forward(signal));
  }
  process.on('SIGINT', () => void running.kill());
  const exit = await running.exited;
  report({ status: exit.status, isStarted: exit.isStarted, code: exit.failure?.code });
}

try {
  await supervise();
} catch (error) {
  if (!(error instanceof EngineError)) throw error;
  report({ code: error.code, message: error.message });
}
// The handlers for signals would keep the process alive.
process.exit();
