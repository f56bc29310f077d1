/** What `list` and `rm` show of containers. */
import type { ContainerInfo } from '../core/operations/list-containers.ts';
import { formatAge, formatLongTime } from './humanize.ts';
import type { CellStyle } from './image-fields.ts';
import { timeJson } from './image-json.ts';

/** Titles of the columns of `list`. */
export const CONTAINER_TITLES = ['ID', 'IMAGE', 'COMMAND', 'CREATED', 'STATE', 'NAME'] as const;

const SHORT_ID_HEX = 12;
const LONGEST_COMMAND = 30;
const UNKNOWN = '-';

/** The cells of one container, in the order of `CONTAINER_TITLES`. */
export function containerRow(container: ContainerInfo, style: CellStyle): string[] {
  const { id, name, image, command, createdAt } = container;
  return [
    style.isFull ? id : id.slice(0, SHORT_ID_HEX),
    image ?? UNKNOWN,
    style.isFull ? command.join(' ') : shorten(command.join(' ')),
    createdAt === undefined ? UNKNOWN : timeCell(createdAt, style),
    stateOf(container),
    name ?? UNKNOWN,
  ];
}

function shorten(command: string): string {
  return command.length > LONGEST_COMMAND ? `${command.slice(0, LONGEST_COMMAND - 1)}…` : command;
}

function timeCell(time: Date, { isFull, now }: CellStyle): string {
  return isFull ? formatLongTime(time) : formatAge(time, now);
}

function stateOf({ phase, exitStatus }: ContainerInfo): string {
  if (phase !== 'exited') return phase;
  return exitStatus === undefined ? 'killed' : `exited (${exitStatus})`;
}

/** One element of `list --json`. */
export interface ContainerJson {
  readonly id: string;
  readonly name: string | null;
  readonly image: string | null;
  readonly command: readonly string[];
  readonly created_at: string | null;
  readonly state: string;
  readonly exit_status: number | null;
}

/** The JSON form of one container. */
export function containerJson(container: ContainerInfo): ContainerJson {
  return {
    id: container.id,
    name: container.name ?? null,
    image: container.image ?? null,
    command: container.command,
    created_at: container.createdAt === undefined ? null : timeJson(container.createdAt),
    state: container.phase,
    exit_status: container.exitStatus ?? null,
  };
}
