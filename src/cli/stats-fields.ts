/** What `stats` shows of containers. */
import { escapeControls } from '../core/errors.ts';
import type { ContainerStats } from '../core/operations/container-stats.ts';
import { binarySize, decimalSize } from './docker-words.ts';
import type { FormatRow } from './template/format-flag.ts';

/** Titles of the fields of docker's `stats --format`. */
export const STATS_TITLES: FormatRow = {
  BlockIO: 'BLOCK I/O',
  CPUPerc: 'CPU %',
  Container: 'CONTAINER',
  ID: 'CONTAINER ID',
  MemPerc: 'MEM %',
  MemUsage: 'MEM USAGE / LIMIT',
  Name: 'NAME',
  NetIO: 'NET I/O',
  PIDs: 'PIDS',
};

/** docker's columns, by the names of fields. */
export const STATS_COLUMNS = [
  'ID',
  'Name',
  'CPUPerc',
  'MemUsage',
  'MemPerc',
  'NetIO',
  'BlockIO',
  'PIDs',
] as const;

const SHORT_ID_HEX = 12;
const UNKNOWN = '--';
const UNKNOWN_PAIR = '-- / --';

/** The fields of one container, by docker's names. Texts have no control characters. */
export function statsRow({ id, name, input, usage }: ContainerStats, isFull: boolean): FormatRow {
  const shortId = isFull ? id : id.slice(0, SHORT_ID_HEX);
  const pair = (a: string, b: string): string => `${a} / ${b}`;
  const names = {
    Container: escapeControls(input === id ? shortId : input),
    ID: shortId,
    Name: escapeControls(name ?? ''),
  };
  if (usage === undefined) {
    return {
      BlockIO: UNKNOWN_PAIR,
      CPUPerc: UNKNOWN,
      ...names,
      MemPerc: UNKNOWN,
      MemUsage: UNKNOWN_PAIR,
      NetIO: UNKNOWN_PAIR,
      PIDs: UNKNOWN,
    };
  }
  const { memoryBytes, memoryLimitBytes } = usage;
  return {
    BlockIO: pair(decimalSize(usage.readBytes), decimalSize(usage.writtenBytes)),
    CPUPerc: percent(usage.cpuPercent),
    ...names,
    MemPerc: percent((memoryBytes / memoryLimitBytes) * 100),
    MemUsage: pair(binarySize(memoryBytes), binarySize(memoryLimitBytes)),
    NetIO: pair(decimalSize(usage.receivedBytes), decimalSize(usage.sentBytes)),
    PIDs: String(usage.pids),
  };
}

function percent(value: number): string {
  return `${value.toFixed(2)}%`;
}

/** One element of `stats --json`. Sizes are bytes. */
export function statsJson({ id, name, usage }: ContainerStats) {
  return {
    id,
    name: name ?? null,
    cpu_percent: usage?.cpuPercent ?? null,
    memory: usage?.memoryBytes ?? null,
    memory_limit: usage?.memoryLimitBytes ?? null,
    received: usage?.receivedBytes ?? null,
    sent: usage?.sentBytes ?? null,
    read: usage?.readBytes ?? null,
    written: usage?.writtenBytes ?? null,
    pids: usage?.pids ?? null,
  };
}
