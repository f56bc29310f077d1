/** Adds up the lines of test-totals.ts on standard input; fails on a failure or a forbidden skip. */
import { readFileSync } from 'node:fs';
import type { TestTotals } from './test-totals.ts';

const isRoot = process.argv[2] === '0';
const runs = readFileSync(0, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line): TestTotals => JSON.parse(line));
const sum = (count: (run: TestTotals) => number): number =>
  runs.reduce((total, run) => total + count(run), 0);
const [passed, failed, skipped] = [
  sum((run) => run.passed),
  sum((run) => run.failed),
  sum((run) => run.skipped),
];
for (const note of runs.flatMap((run) => run.notes)) console.log(note);
if (skipped > 0 && isRoot) console.log('Root on Linux must run every test: skips fail here.');
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed > 0 || passed === 0 || (skipped > 0 && isRoot) ? 1 : 0);
