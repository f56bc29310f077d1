/**
 * A reporter for `node --test` beside the readable one: the totals of a run as one line of JSON,
 * with every skip and its reason, for scripts/test.sh to add up.
 */
import type { TestEvent } from 'node:test/reporters';

/** What one run of the test runner counted. */
export interface TestTotals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skips: readonly string[];
}

export default async function* totals(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const skips: string[] = [];
  for await (const event of events) {
    if (event.type === 'test:pass' && event.data.skip !== undefined) {
      skips.push(`${event.data.name}: ${event.data.skip}`);
    }
    if (event.type !== 'test:summary' || event.data.file !== undefined) continue;
    const { passed, skipped, tests } = event.data.counts;
    const failed = tests - passed - skipped;
    yield `${JSON.stringify({ passed, failed, skipped, skips } satisfies TestTotals)}\n`;
  }
}
