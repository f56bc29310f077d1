/** Outcomes of health checks: `health.json` in the container's directory. */
import { renameSync, writeFileSync } from 'node:fs';
import { withSystemErrors } from '../host/libc.ts';
import { isJsonObject, requireArray, requireString } from '../oci/json-document.ts';
import { healthFile } from './container-paths.ts';
import { parseVersioned } from './container-record.ts';
import { readTolerant } from './tolerant-file.ts';

/** What is thought of a container's health. */
export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

/** One check. Times are RFC 3339. */
export interface HealthProbe {
  readonly start: string;
  readonly end: string;
  /** 0 is healthy; -1: it took too long, or could not be started. */
  readonly exitCode: number;
  /** The start of what it wrote; comes from the container. */
  readonly output: string;
}

/** The health of a container. */
export interface Health {
  readonly status: HealthStatus;
  /** How many checks have failed in a row. */
  readonly failingStreak: number;
  /** The last checks, oldest first. */
  readonly log: readonly HealthProbe[];
}

/** Replaces what is known. Readers see all of it or nothing. @throws SystemCallError */
export function writeHealth(directory: string, health: Health): void {
  const path = healthFile(directory);
  withSystemErrors(`while writing ${path}`, () => {
    writeFileSync(`${path}.new`, JSON.stringify({ version: 1, ...health }), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  });
}

/** The health of the container in `directory`; undefined when nobody checks it. */
export function readHealth(directory: string): Health | undefined {
  return readTolerant(healthFile(directory), (bytes, path) =>
    parseVersioned(bytes, path, (object) => ({
      status: statusOf(requireString(object.status, 'status', 'it')),
      failingStreak: Number(object.failingStreak) || 0,
      log: requireArray(object.log, 'log', 'it')
        .filter(isJsonObject)
        .map(({ start, end, exitCode, output }) => ({
          start: String(start),
          end: String(end),
          exitCode: Number(exitCode),
          output: String(output),
        })),
    })),
  );
}

function statusOf(text: string): HealthStatus {
  return text === 'healthy' || text === 'unhealthy' ? text : 'starting';
}
