import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatAge, formatLongTime, formatSize } from '../../src/cli/humanize.ts';

describe('formatSize', () => {
  const rows: readonly (readonly [number, string])[] = [
    [0, '0B'],
    [9, '9B'],
    [10, '10B'],
    [1023, '1023B'],
    [1024, '1.0KiB'],
    [4096, '4.0KiB'],
    [10 * 1024, '10KiB'],
    [1.5 * 1024 ** 2, '1.5MiB'],
    [44 * 1024 ** 2, '44MiB'],
    [239.4 * 1024 ** 2, '239MiB'],
    [5 * 1024 ** 4, '5.0TiB'],
  ];
  for (const [bytes, text] of rows) {
    it(`writes ${bytes} bytes as ${text}`, () => assert.equal(formatSize(bytes), text));
  }
});

describe('formatAge', () => {
  const now = new Date('2026-11-24T12:00:00Z');
  const rows: readonly (readonly [number, string])[] = [
    [0, 'now'],
    [0.9, 'now'],
    [1, '1 second ago'],
    [59, '59 seconds ago'],
    [60, '1 minute ago'],
    [120, '2 minutes ago'],
    [3600, '1 hour ago'],
    [6 * 86400, '6 days ago'],
    [7 * 86400, '1 week ago'],
    [45 * 86400, '1 month ago'],
    [800 * 86400, '2 years ago'],
    [-120, '2 minutes from now'],
  ];
  for (const [seconds, text] of rows) {
    it(`says "${text}" of ${seconds} seconds`, () => {
      assert.equal(formatAge(new Date(now.getTime() - seconds * 1000), now), text);
    });
  }
});

describe('formatLongTime', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['2026-11-24T08:15:20.250Z', '2026-11-24 08:15:20.25 +0000 UTC'],
    ['2026-11-24T08:15:20.000Z', '2026-11-24 08:15:20 +0000 UTC'],
    ['2026-11-24T08:00:00.001Z', '2026-11-24 08:00:00.001 +0000 UTC'],
  ];
  for (const [time, text] of rows) {
    it(`trims ${time}`, () => assert.equal(formatLongTime(new Date(time)), text));
  }
});
