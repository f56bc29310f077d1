/** `logs`. */
import { existsSync } from 'node:fs';
import { lockPath } from '../container/container-paths.ts';
import { ContainerStore } from '../container/container-store.ts';
import { type LogQuery, type LogSink, readLog } from '../container/log-reader.ts';
import { segmentNumbers } from '../container/log-segments.ts';
import { EngineError, quote } from '../errors.ts';
import { FileLock } from '../host/file-lock.ts';
import type { Engine } from './engine.ts';

/** What is wanted of a log. */
export interface LogsOptions extends Omit<LogQuery, 'isOver'> {
  /** Goes on until the container is over. */
  readonly follow: boolean;
}

/**
 * Gives what a container wrote to `sink`, byte for byte. Takes no lock. Following ends when nobody
 * supervises the container any more; one that was not started yet is not waited for.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`; `CONTAINER_WRONG_PHASE` for one that ran in the
 * foreground, whose output went to whoever ran it; the reason of `signal`
 */
export async function containerLogs(
  engine: Engine,
  input: string,
  { follow, ...query }: LogsOptions,
  sink: LogSink,
): Promise<void> {
  const { directory, run, phase } = ContainerStore.find(engine.settings.dataDir, input);
  const hasLog = segmentNumbers(directory).length > 0;
  if (!hasLog && phase !== 'created' && run?.isDetached === false) throw notKept(input);
  const isOver = (): boolean => !FileLock.isHeld(lockPath(directory)) || !existsSync(directory);
  await readLog(directory, { ...query, ...(follow ? { isOver } : {}) }, sink);
}

function notKept(input: string): EngineError {
  return new EngineError(
    'CONTAINER_WRONG_PHASE',
    `the output of the container ${quote(input)} was not kept: it ran in the foreground`,
    { hint: 'Start it with "dray run --detach" or "dray start".' },
  );
}
