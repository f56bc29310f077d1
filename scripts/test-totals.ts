/**
 * A reporter for `node --test` beside the readable one: the totals of a run as one line of JSON,
 * with everything that did not count and why, for scripts/test.sh to add up.
 */
import type { TestEvent } from 'node:test/reporters';

/** What one run of the test runner counted. */
export interface TestTotals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly notes: readonly string[];
}

export default async function* totals(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const notes: string[] = [];
  for await (const event of events) {
    if (event.type === 'test:pass' && event.data.skip !== undefined) {
      notes.push(`skipped: ${event.data.name}: ${event.data.skip}`);
    }
    if (event.type === 'test:fail' && event.data.todo !== undefined) {
      notes.push(`to do: ${event.data.name}: ${event.data.todo}`);
    }
    if (event.type !== 'test:summary' || event.data.file !== undefined) continue;
    const { passed, skipped, tests, todo } = event.data.counts;
    const failed = tests - passed - skipped - todo;
    yield `${JSON.stringify({ passed, failed, skipped, notes } satisfies TestTotals)}\n`;
  }
}
