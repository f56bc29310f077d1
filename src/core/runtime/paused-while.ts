/** Stopping a container's processes for a while. */
import type { Writable } from 'node:stream';
import { EngineError } from '../errors.ts';
import { type AttachedProcess, spawnAttached } from '../host/process.ts';
import type { RuncContainer } from './container-process.ts';
import { callRunc, RUNC_ENVIRONMENT, runcCommand } from './runc-program.ts';

/** Waits for a word from us; when we end without one, lets the container go on. */
const GUARD = 'read -r word || exec "$1" --root "$2" resume "$3"';

/**
 * Does `work` while no process of the container runs, and lets them go on afterwards, also when this
 * process is killed meanwhile.
 *
 * @throws EngineError `RUNTIME_FAILED` when runc cannot stop them; whatever `work` throws
 */
export async function pausedWhile<T>(
  container: RuncContainer & { readonly runcPath: string },
  work: () => Promise<T>,
): Promise<T> {
  const { runcPath, runtimeRoot, containerId } = container;
  // Before the container stops: whatever kills us then, somebody knows of it.
  const guard = spawnAttached(
    ['/bin/sh', '-c', GUARD, 'dray-resume', runcPath, runtimeRoot, containerId],
    { stdio: ['pipe', 'ignore', 'ignore'], env: RUNC_ENVIRONMENT, cwd: '/', newSession: true },
  );
  let isPaused = false;
  try {
    await callOrThrow(container, 'pause');
    isPaused = true;
    return await work();
  } finally {
    try {
      if (isPaused) await callOrThrow(container, 'resume');
    } finally {
      await dismiss(guard);
    }
  }
}

async function callOrThrow(
  container: RuncContainer & { readonly runcPath: string },
  command: 'pause' | 'resume',
): Promise<void> {
  const { status, stderr } = await callRunc(runcCommand(container, command, container.containerId));
  if (status === 0) return;
  const words = stderr.toString('utf8').trim();
  throw new EngineError('RUNTIME_FAILED', `runc could not ${command} the container: ${words}`);
}

async function dismiss(guard: AttachedProcess): Promise<void> {
  const pipe = guard.stdio[0] as Writable | null;
  pipe?.on('error', () => {});
  pipe?.end('done\n');
  await guard.exited;
}
