import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { imageOf, putImage, TempStore } from './store-fixture.ts';

const HOT_PATH = join(import.meta.dirname, 'run-hot-path.ts');
const MOST_CALLS = 30;

const hasStrace = spawnSync('strace', ['-V']).status === 0;

/** The system calls of the main thread between the two marks, such as `openat(AT_FDCWD, …) = 17`. */
function traceHotPath(dataDir: string, parent: string): string[] {
  const trace = join(parent, 'trace');
  const argv = ['-o', trace, process.execPath, '--disable-warning=ExperimentalWarning'];
  const { status, stderr } = spawnSync('strace', [...argv, HOT_PATH, dataDir], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const lines = readFileSync(trace, 'utf8').split('\n');
  const begin = lines.findIndex((line) => line.includes('/mark-begin'));
  const end = lines.findIndex((line) => line.includes('/mark-end'));
  assert.ok(begin >= 0 && end > begin, 'the marks are in the trace');
  // Memory management of the engine comes and goes with the heap, not with what we do.
  return lines
    .slice(begin + 1, end)
    .filter((line) => !/^(mmap|munmap|madvise|mprotect|brk|futex)/.test(line));
}

it('takes few system calls from a reference to a container, none of them a sync or a scan', {
  skip: hasStrace ? false : 'strace is not installed',
}, async (t) => {
  using temp = new TempStore();
  const store = temp.open();
  for (let at = 0; at < 10; at += 1) {
    await putImage(store, imageOf('base', `other-${at}`), `localhost/other:${at}`);
  }
  await putImage(store, imageOf('base', 'app'), 'localhost/app:latest');
  const calls = traceHotPath(temp.dataDir, temp.parent);
  t.diagnostic(`${calls.length} system calls`);
  assert.deepEqual(
    calls.filter((line) => /^(fsync|fdatasync|syncfs|getdents|clone|fork)/.test(line)),
    [],
  );
  assert.ok(calls.length <= MOST_CALLS, `\n${calls.join('\n')}`);
  assert.ok(
    calls.some((line) => line.startsWith('rename(')),
    'a container was made',
  );
});
