import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDuration, parseMoment } from '../../../src/cli/parse/durations.ts';
import { engineError } from '../../support/engine-errors.ts';

describe('parseDuration', () => {
  const rows: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['10', 10_000],
    ['500ms', 500],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['100us', 0.1],
  ];
  for (const [text, expected] of rows) {
    it(`reads ${text}`, () => assert.equal(parseDuration(text, '--x'), expected));
  }
  for (const text of ['', '-1s', '1x', 's', '1s 2s', '1sx', '99999999999']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseDuration(text, '--x'), engineError('USAGE_INVALID', /--x/));
    });
  }
});

describe('parseMoment', () => {
  const now = new Date('2026-02-03T04:05:06Z');
  const rows: readonly (readonly [string, string])[] = [
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05.5+01:00', '2026-01-02T02:04:05.500Z'],
    ['1700000000', '2023-11-14T22:13:20.000Z'],
    ['10m', '2026-02-03T03:55:06.000Z'],
    ['1h30m', '2026-02-03T02:35:06.000Z'],
  ];
  for (const [text, expected] of rows) {
    it(`reads ${text}`, () => {
      assert.equal(parseMoment(text, '--since', now).toISOString(), expected);
    });
  }
  for (const text of ['', 'yesterday', '2026-99-99', '10']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseMoment(text, '--since', now), engineError('USAGE_INVALID'));
    });
  }
});
