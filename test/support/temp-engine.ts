/** An engine over a store in a temporary directory on a tmpfs, for tests of operations. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../../src/core/operations/engine.ts';
import { openEngine } from '../../src/core/operations/engine.ts';
import type { ProgressEvent } from '../../src/core/progress.ts';

export interface TempEngine extends Disposable {
  readonly engine: Engine;
  readonly directory: string;
  /** Everything that was reported, in order. */
  readonly events: ProgressEvent[];
  readonly onProgress: (event: ProgressEvent) => void;
  /** Files below the store that are no locks and not the index, as sorted relative paths. */
  files(): string[];
}

export function tempEngine(base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()): TempEngine {
  const directory = mkdtempSync(join(base, 'dray-engine-'));
  const dataDir = join(directory, 'store');
  const events: ProgressEvent[] = [];
  return {
    engine: openEngine({
      dataDir,
      runDir: join(directory, 'run'),
      insecureRegistries: [],
      version: '0.0.0-test',
    }),
    directory,
    events,
    onProgress: (event) => events.push(event),
    files: () =>
      readdirSync(dataDir, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.name.startsWith('lock'))
        .map((entry) => join(entry.parentPath, entry.name).slice(dataDir.length + 1))
        .sort(),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}
