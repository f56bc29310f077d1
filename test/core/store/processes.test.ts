import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { collect } from '../../../src/core/store/collect.ts';
import { cachingEnvironment } from './child-cache.ts';
import {
  filesBelow,
  imageOf,
  NOT_IN_USE,
  problemsOf,
  putImage,
  TempStore,
} from './store-fixture.ts';

const WORKER = join(import.meta.dirname, 'store-worker.ts');
const PROCESSES = 8;
const env = cachingEnvironment();

/** Runs eight workers at once; what each printed. Fails when one fails. */
async function runWorkers(what: string, dataDir: string): Promise<unknown[]> {
  const run = promisify(execFile);
  const workers = Array.from({ length: PROCESSES }, (_, worker) =>
    run(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', WORKER, what, dataDir, String(worker)],
      { env },
    ),
  );
  // All must have ended before the store goes, also when one has failed.
  await Promise.allSettled(workers);
  return (await Promise.all(workers)).map(({ stdout }) => JSON.parse(stdout));
}

describe('eight processes with one store', () => {
  before(() => promisify(execFile)(process.execPath, [WORKER, 'warm-up'], { env }));

  it('make it once, and transfer each layer of the image that all fetch once', async () => {
    using temp = new TempStore();
    const brought = await runWorkers('fetch-same', temp.dataDir);
    const total = brought.map(Number).reduce((sum, count) => sum + count, 0);
    assert.equal(total, 3);
    assert.deepEqual(problemsOf(temp.dataDir), []);
    using alone = new TempStore();
    await putImage(alone.open(), imageOf('same', 'for', 'all'), 'localhost/same:1');
    assert.deepEqual(filesBelow(temp.dataDir), filesBelow(alone.dataDir));
  });

  it('fetch, move, remove and collect what they share, and each image stays whole', async () => {
    using temp = new TempStore();
    await runWorkers('live', temp.dataDir);
    assert.deepEqual(problemsOf(temp.dataDir), []);
    const store = temp.open();
    const names = store.readReferences().flatMap(({ reference }) => reference ?? []);
    // The last round of a worker is odd, so each ends with its image in the store.
    assert.equal(new Set(names).size, PROCESSES + 1);
    assert.equal(names.length, PROCESSES + 1);
    await collect(store, NOT_IN_USE);
    assert.deepEqual(problemsOf(temp.dataDir), []);
    assert.deepEqual(readdirSync(join(temp.dataDir, 'ingest')), []);
  });
});
