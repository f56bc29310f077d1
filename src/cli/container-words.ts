/** What the state, the ports, the mounts and the sizes of a container are called, as docker does. */
import { isIPv6 } from 'node:net';
import { escapeControls } from '../core/errors.ts';
import type { ContainerInfo } from '../core/operations/list-containers.ts';
import { decimalSize, ellipsis, spanWords } from './docker-words.ts';

/** One of docker's words; a container whose process is about to be started is created. */
export function stateWord({ phase }: Pick<ContainerInfo, 'phase'>): string {
  return phase === 'preparing' ? 'created' : phase;
}

/** `Up 5 seconds (healthy)`, `Exited (0) 3 minutes ago`. */
export function statusWords(container: ContainerInfo, now: Date): string {
  const { phase, startedAt, finishedAt, exitStatus } = container;
  switch (phase) {
    case 'created':
    case 'preparing':
      return 'Created';
    case 'removing':
      return 'Removal In Progress';
    case 'running':
    case 'paused':
      return `Up ${spanWords(validTime(startedAt) ?? now, now)}${upNote(container)}`;
    default: {
      const how = `${phase === 'restarting' ? 'Restarting' : 'Exited'} (${exitStatus ?? 'unknown'})`;
      const ended = validTime(finishedAt);
      return ended === undefined ? how : `${how} ${spanWords(ended, now)} ago`;
    }
  }
}

function upNote({ phase, health }: ContainerInfo): string {
  if (phase === 'paused') return ' (Paused)';
  if (health === undefined) return '';
  return health === 'starting' ? ' (health: starting)' : ` (${health})`;
}

/** The time itself; undefined for one that a damaged record has. */
export function validTime(time: Date | undefined): Date | undefined {
  return time === undefined || Number.isNaN(time.getTime()) ? undefined : time;
}

/** `0.0.0.0:8080->80/tcp, [::1]:53->53/udp`. */
export function portWords({ ports }: Pick<ContainerInfo, 'ports'>): string {
  return ports
    .map(({ hostIp = '0.0.0.0', hostPort, containerPort, protocol }) => {
      const host = isIPv6(hostIp) ? `[${hostIp}]` : hostIp;
      return `${host}:${hostPort}->${containerPort}/${protocol}`;
    })
    .join(', ');
}

const LONGEST_MOUNT = 15;

/** Names of volumes and paths of the host, joined by commas. */
export function mountWords({ mounts = [] }: ContainerInfo, isWhole: boolean): string {
  const names = mounts.flatMap(({ type, name, source }) =>
    type === 'tmpfs' ? [] : (name ?? source),
  );
  return names.map((name) => (isWhole ? name : ellipsis(name, LONGEST_MOUNT))).join(',');
}

/** `12B (virtual 4.2MB)`. */
export function sizeWords({ sizes }: ContainerInfo): string {
  if (sizes === undefined) return '';
  return `${decimalSize(sizes.writableBytes)} (virtual ${decimalSize(sizes.rootBytes)})`;
}

/** `a=1,b=2`. */
export function labelWords(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');
}

/** The value of a label; nothing when there is none. It has no control characters. */
export function labelOf(labels: Readonly<Record<string, string>>, key: string): string {
  return Object.hasOwn(labels, key) ? escapeControls(labels[key] ?? '') : '';
}
