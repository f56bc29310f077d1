/** `top`: the processes of a container, as the host sees them. */
import { existsSync } from 'node:fs';
import { ContainerStore } from '../container/container-store.ts';
import { EngineError, quote } from '../errors.ts';
import { groupMembers } from '../host/control-group.ts';
import { runToCompletion } from '../host/process.ts';
import { type ProcessEntry, readProcesses, userNames } from '../host/process-table.ts';
import type { OperationOptions } from '../progress.ts';
import type { Engine } from './engine.ts';

/** A process and the host's name of its user. Texts come from the container. */
export interface ContainerProcessInfo extends ProcessEntry {
  readonly user: string;
}

/**
 * The processes in the control groups of a container, by number.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`; `CONTAINER_WRONG_PHASE` when it does not run
 */
export function containerProcesses(engine: Engine, input: string): ContainerProcessInfo[] {
  const nameOf = userNames();
  return readProcesses(pidsOf(engine, input)).map((entry) => ({
    ...entry,
    user: nameOf(entry.uid),
  }));
}

function pidsOf({ settings }: Engine, input: string): number[] {
  const { run, phase } = ContainerStore.find(settings.dataDir, input);
  const isUp = phase === 'running' || phase === 'paused';
  if (isUp && run !== undefined) return groupMembers(run.cgroups);
  throw new EngineError(
    'CONTAINER_WRONG_PHASE',
    `the container ${quote(input)} is ${phase}; only one that runs has processes`,
  );
}

const PS_PATHS = ['/usr/bin/ps', '/bin/ps'];
const PS_TIMEOUT_MS = 10_000;
const MOST_PS_BYTES = 16 * 1024 * 1024;

/** What ps(1) printed: its titles, and the cells of the container's processes. */
export interface PsTable {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * Has the host's ps(1) show processes with these options and keeps those of the container, told by
 * the column PID.
 *
 * @throws EngineError as `containerProcesses`; `HOST_UNSUPPORTED` without ps; `USAGE_INVALID` when ps
 *   refuses the options or shows no column PID; the reason of `signal`
 */
export async function psOfContainer(
  engine: Engine,
  input: string,
  { options, signal }: OperationOptions & { readonly options: readonly string[] },
): Promise<PsTable> {
  pidsOf(engine, input);
  const ps = PS_PATHS.find((path) => existsSync(path));
  if (ps === undefined) {
    throw new EngineError('HOST_UNSUPPORTED', 'there is no ps on this machine to give options to', {
      hint: 'Leave the options out, or install procps.',
    });
  }
  const { status, stdout, stderr } = await runToCompletion([ps, ...options], {
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
    timeoutMs: PS_TIMEOUT_MS,
    maxOutputBytes: MOST_PS_BYTES,
    signal,
  });
  if (status !== 0) {
    const [why = ''] = stderr.toString().trim().split('\n');
    throw new EngineError('USAGE_INVALID', `ps does not take ${quote(options.join(' '))}: ${why}`);
  }
  // Again: those that were started meanwhile are in what ps has shown.
  return ownRows(stdout.toString(), new Set(pidsOf(engine, input)), options);
}

function ownRows(output: string, pids: ReadonlySet<number>, options: readonly string[]): PsTable {
  const [head = '', ...lines] = output.split('\n');
  const titles = head.trim().split(/\s+/);
  const column = titles.indexOf('PID');
  if (column < 0) {
    throw new EngineError('USAGE_INVALID', `ps ${quote(options.join(' '))} shows no column "PID"`, {
      hint: 'Add it: -o pid,…',
    });
  }
  const rows = lines.map((line) => cellsOf(line, titles.length));
  return { titles, rows: rows.filter((cells) => pids.has(Number(cells[column]))) };
}

/** The last column is the only one that may hold spaces. */
function cellsOf(line: string, columns: number): string[] {
  const words = line.trim().split(/\s+/);
  return [...words.slice(0, columns - 1), words.slice(columns - 1).join(' ')];
}
