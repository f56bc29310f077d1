/** `pause` and `unpause`. */
import { ContainerStore } from '../container/container-store.ts';
import { EngineError, quote } from '../errors.ts';
import { callRunc, findRunc, runcCommand } from '../runtime/runc-program.ts';
import { type Engine, runtimeRoot } from './engine.ts';
import { type ContainerOutcome, forEachContainer } from './for-each-container.ts';

/** Freezes all processes of running containers. */
export async function pauseContainers(
  engine: Engine,
  inputs: readonly string[],
): Promise<ContainerOutcome<void>> {
  return await change(engine, inputs, { from: 'running', verb: 'pause' });
}

/** Lets the processes of paused containers go on. */
export async function unpauseContainers(
  engine: Engine,
  inputs: readonly string[],
): Promise<ContainerOutcome<void>> {
  return await change(engine, inputs, { from: 'paused', verb: 'resume' });
}

async function change(
  engine: Engine,
  inputs: readonly string[],
  { from, verb }: { readonly from: 'running' | 'paused'; readonly verb: 'pause' | 'resume' },
): Promise<ContainerOutcome<void>> {
  const { dataDir, runcPath } = engine.settings;
  const runc = { runcPath: findRunc(runcPath), runtimeRoot: runtimeRoot(engine) };
  return await forEachContainer(inputs, async (input) => {
    const { id, phase, run } = ContainerStore.find(dataDir, input);
    if (phase !== from) {
      const why = `the container ${quote(input)} is ${phase}; expected one that is ${from}`;
      throw new EngineError('CONTAINER_WRONG_PHASE', why);
    }
    const root = { ...runc, ...(run === undefined ? {} : { runtimeRoot: run.runtimeRoot }) };
    const end = await callRunc(runcCommand(root, verb, id));
    if (end.status === 0) return;
    const words = end.stderr.toString('utf8').trim();
    throw new EngineError('RUNTIME_FAILED', `runc could not ${verb} ${quote(input)}: ${words}`);
  });
}
