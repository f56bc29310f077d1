/** What `status` prints. */
import { escapeControls } from '../core/errors.ts';
import type { ContainerStatus } from '../core/operations/container-status.ts';
import { formatLongTime } from './humanize.ts';

/** `status`: lines of `key=value`, in rkt's order. */
export function statusLines(status: ContainerStatus): string[] {
  const { id, name, phase, createdAt, startedAt, pid, exit, health, restartCount } = status;
  const isOver = phase === 'exited' || phase === 'removing';
  const pairs: readonly (readonly [string, string | number | undefined])[] = [
    ['state', phase],
    ['id', id],
    ['name', name],
    ['created', createdAt === undefined ? undefined : formatLongTime(new Date(createdAt))],
    ['started', startedAt === undefined ? undefined : formatLongTime(startedAt)],
    ['finished', isOver && exit !== undefined ? formatLongTime(exit.finishedAt) : undefined],
    ['pid', pid],
    ['exited', startedAt === undefined ? undefined : String(isOver)],
    ['exit-status', isOver ? exit?.status : undefined],
    ['oom-killed', isOver && exit?.isOutOfMemory === true ? 'true' : undefined],
    ['error', isOver ? exit?.error : undefined],
    ['health', isOver ? undefined : health?.status],
    ['restarts', restartCount > 0 ? restartCount : undefined],
  ];
  return pairs.flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${escapeControls(String(value))}`],
  );
}

/** `status --json`. Times are RFC 3339. */
export interface StatusJson {
  readonly id: string;
  readonly name: string | null;
  readonly state: string;
  readonly created_at: string | null;
  readonly started_at: string | null;
  readonly finished_at: string | null;
  readonly pid: number | null;
  readonly exit_status: number | null;
  readonly oom_killed: boolean;
  readonly error: string | null;
  readonly health: string | null;
  readonly restarts: number;
}

/** The JSON form of a status. */
export function statusJson(status: ContainerStatus): StatusJson {
  const { exit } = status;
  return {
    id: status.id,
    name: status.name ?? null,
    state: status.phase,
    created_at: status.createdAt ?? null,
    started_at: status.startedAt?.toISOString() ?? null,
    finished_at: exit?.finishedAt.toISOString() ?? null,
    pid: status.pid ?? null,
    exit_status: exit?.status ?? null,
    oom_killed: exit?.isOutOfMemory === true,
    error: exit?.error ?? null,
    health: status.health?.status ?? null,
    restarts: status.restartCount,
  };
}
