/** Children that run the same TypeScript again and again start twice as fast with a compile cache. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** The environment for such children of one test file; the cache goes when its tests have run. */
export function cachingEnvironment(): NodeJS.ProcessEnv {
  const directory = mkdtempSync(join(tmpdir(), 'dray-compile-cache-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  return { ...process.env, NODE_COMPILE_CACHE: directory };
}
