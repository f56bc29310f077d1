/**
 * Kill sweep: the scenario is killed at the N-th call of each system call that changes the disk.
 * Whatever is left must keep every promise of a store, and living through the scenario again must
 * end in the very files of a life without a kill. DRAY_TEST_SWEEP=full kills at every N.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { cachingEnvironment } from './child-cache.ts';
import { liveShortly } from './crash-scenario.ts';
import { filesBelow, problemsOf, TempStore } from './store-fixture.ts';

const env = cachingEnvironment();
const SCENARIO = join(import.meta.dirname, 'crash-scenario.ts');
const IS_FULL = process.env.DRAY_TEST_SWEEP === 'full';
const STRACE = spawnSync('strace', ['-V']).status === 0;

interface SweptCall {
  readonly call: string;
  /** Kill at every so many calls only; the life of the scenario makes about 30 of most. */
  readonly step: number;
  /** Count only calls on these names below the data directory: Node makes such calls itself. */
  readonly onNames?: readonly string[];
}

const STORE_NAMES = [
  '',
  'lock',
  'lock-index',
  'index.json',
  'version',
  'ingest',
  'images',
  'blobs/sha256',
  'layers/sha256',
  'rootfs/sha256',
];

const SWEPT: readonly SweptCall[] = [
  { call: 'rename', step: 12 },
  { call: 'unlink', step: 16 },
  { call: 'fdatasync', step: 20 },
  { call: 'fsync', step: 12 },
  { call: 'mkdir', step: 8 },
  { call: 'link', step: 2 },
  { call: 'ftruncate', step: 6 },
  { call: 'flock', step: 30 },
  { call: 'openat', step: 40, onNames: STORE_NAMES },
];

/** Whether the scenario was killed; false when it ended before its N-th such call. */
function killAt({ call, onNames = [] }: SweptCall, when: number, dataDir: string): boolean {
  const { status, signal, stderr } = spawnSync(
    'strace',
    [
      ...['-f', '-qq', '-o', '/dev/null'],
      ...['-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${when}`],
      ...onNames.flatMap((name) => ['-P', join(dataDir, name)]),
      ...[process.execPath, '--disable-warning=ExperimentalWarning', SCENARIO, dataDir],
    ],
    { encoding: 'utf8', env },
  );
  assert.ok(signal === 'SIGKILL' || status === 0 || status === 137, stderr);
  return status !== 0;
}

function skipReason(): string | false {
  return STRACE ? false : 'strace is not installed';
}

describe('a store whose user is killed', { skip: skipReason() }, () => {
  // Without arguments the scenario does nothing, so this only fills the compile cache.
  before(() => spawnSync(process.execPath, [SCENARIO], { env }));

  for (const swept of SWEPT) {
    it(`keeps its promises when killed at any ${swept.call}`, { timeout: 600_000 }, async () => {
      using undisturbed = new TempStore();
      await liveShortly(undisturbed.dataDir);
      const expected = filesBelow(undisturbed.dataDir);
      let kills = 0;
      for (let when = 1; ; when += IS_FULL ? 1 : swept.step) {
        using temp = new TempStore();
        if (!killAt(swept, when, temp.dataDir)) break;
        kills += 1;
        const where = `killed at ${swept.call} ${when}`;
        if (existsSync(temp.dataDir)) assert.deepEqual(problemsOf(temp.dataDir), [], where);
        await liveShortly(temp.dataDir);
        assert.deepEqual(problemsOf(temp.dataDir), [], where);
        assert.deepEqual(filesBelow(temp.dataDir), expected, where);
      }
      assert.ok(kills > 0, `the scenario makes no ${swept.call}`);
    });
  }
});
