/** What `list` shows of containers. */
import { escapeControls } from '../core/errors.ts';
import type { ContainerInfo } from '../core/operations/list-containers.ts';
import {
  labelOf,
  labelWords,
  mountWords,
  portWords,
  sizeWords,
  stateWord,
  statusWords,
  validTime,
} from './container-words.ts';
import { commandWords, spanWords, timeWords } from './docker-words.ts';
import { timeJson } from './image-json.ts';
import type { FormatRow } from './template/format-flag.ts';

/** How cells are written. */
export interface ContainerStyle {
  /** Whole ids, commands and mounts. */
  readonly isFull: boolean;
  readonly now: Date;
}

/** Titles of the fields of docker's `ps --format`. */
export const CONTAINER_FIELD_TITLES: FormatRow = {
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  ID: 'CONTAINER ID',
  Image: 'IMAGE',
  Label: (key: unknown) => labelTitle(String(key)),
  Labels: 'LABELS',
  LocalVolumes: 'LOCAL VOLUMES',
  Mounts: 'MOUNTS',
  Names: 'NAMES',
  Networks: 'NETWORKS',
  Ports: 'PORTS',
  RunningFor: 'CREATED',
  Size: 'SIZE',
  State: 'STATE',
  Status: 'STATUS',
};

/** As docker makes a title of a label's key: its last part. */
function labelTitle(key: string): string {
  return escapeControls(key.split('.').at(-1) ?? '').replace(/[-_]/g, ' ');
}

const SHORT_ID_HEX = 12;

/** The fields of one container, by docker's names. Texts have no control characters. */
export function containerFormatRow(container: ContainerInfo, style: ContainerStyle): FormatRow {
  const { id, name = '', image = '', command, labels, networks, mounts = [] } = container;
  const createdAt = validTime(container.createdAt);
  const { isFull, now } = style;
  return {
    Command: commandWords(command, isFull),
    CreatedAt: createdAt === undefined ? '' : timeWords(createdAt),
    ID: isFull ? id : id.slice(0, SHORT_ID_HEX),
    Image: escapeControls(image),
    Label: (key: unknown) => labelOf(labels, String(key)),
    Labels: escapeControls(labelWords(labels)),
    LocalVolumes: String(mounts.filter(({ type }) => type === 'volume').length),
    Mounts: escapeControls(mountWords(container, isFull)),
    Names: escapeControls(name),
    Networks: escapeControls(networks.join(',')),
    Ports: portWords(container),
    RunningFor: createdAt === undefined ? '' : `${spanWords(createdAt, now)} ago`,
    Size: sizeWords(container),
    State: stateWord(container),
    Status: statusWords(container, now),
  };
}

/** docker's columns of `ps`, by the names of fields. */
export const CONTAINER_COLUMNS = [
  'ID',
  'Image',
  'Command',
  'RunningFor',
  'Status',
  'Ports',
  'Names',
] as const;

/** One element of `list --json`. Times are RFC 3339. */
export interface ContainerJson {
  readonly id: string;
  readonly name: string | null;
  readonly image: string | null;
  readonly image_id: string | null;
  readonly command: readonly string[];
  readonly created_at: string | null;
  readonly started_at: string | null;
  readonly finished_at: string | null;
  readonly state: string;
  readonly exit_status: number | null;
  readonly health: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly networks: readonly string[];
  readonly ports: readonly {
    readonly protocol: string;
    readonly host_ip: string | null;
    readonly host_port: number;
    readonly container_port: number;
  }[];
}

/** The JSON form of one container. */
export function containerJson(container: ContainerInfo): ContainerJson {
  const { createdAt, startedAt, finishedAt } = container;
  const timeOf = (time: Date | undefined) => (time === undefined ? null : timeJson(time));
  return {
    id: container.id,
    name: container.name ?? null,
    image: container.image ?? null,
    image_id: container.imageId ?? null,
    command: container.command,
    created_at: timeOf(createdAt),
    started_at: timeOf(startedAt),
    finished_at: timeOf(finishedAt),
    state: container.phase,
    exit_status: container.exitStatus ?? null,
    health: container.health ?? null,
    labels: container.labels,
    networks: container.networks,
    ports: container.ports.map(({ protocol, hostIp, hostPort, containerPort }) => ({
      protocol,
      host_ip: hostIp ?? null,
      host_port: hostPort,
      container_port: containerPort,
    })),
  };
}
