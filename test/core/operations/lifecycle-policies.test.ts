import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Health } from '../../../src/core/container/health-file.ts';
import { nextHealth } from '../../../src/core/operations/health-monitor.ts';
import { restartDelay, shouldRestart } from '../../../src/core/operations/restart-policy.ts';
import { resolveHealthCheck } from '../../../src/core/runtime/health-check.ts';
import type { HealthOptions, RestartPolicy } from '../../../src/core/runtime/run-options.ts';

const ALWAYS: RestartPolicy = { when: 'always' };
const FAILURE: RestartPolicy = { when: 'on-failure' };
const TWICE: RestartPolicy = { when: 'on-failure', maximumRetries: 2 };

describe('a container that ended', () => {
  const rows: readonly (readonly [string, RestartPolicy | undefined, number, number, boolean])[] = [
    ['without a policy', undefined, 1, 0, false],
    ['with status 0, always', ALWAYS, 0, 99, true],
    ['with status 1, always', ALWAYS, 1, 0, true],
    ['with status 0, unless-stopped', { when: 'unless-stopped' }, 0, 0, true],
    ['with status 0, on-failure', FAILURE, 0, 0, false],
    ['with status 1, on-failure', FAILURE, 1, 99, true],
    ['with status 1, on-failure:2, once restarted', TWICE, 1, 1, true],
    ['with status 1, on-failure:2, twice restarted', TWICE, 1, 2, false],
  ];
  for (const [what, policy, status, restartCount, expected] of rows) {
    it(`${what} is ${expected ? '' : 'not '}started again`, () => {
      const end = { status, restartCount, ranMs: 0, isStopAsked: false };
      assert.equal(shouldRestart(policy, end), expected);
      assert.equal(shouldRestart(policy, { ...end, isStopAsked: true }), false);
    });
  }

  it('waits twice as long each time, up to a minute, and anew after a long run', () => {
    const end = { status: 1, restartCount: 0, ranMs: 5, isStopAsked: false };
    const delays: number[] = [];
    for (let count = 0; count < 12; count += 1) delays.push(restartDelay(delays.at(-1), end));
    assert.deepEqual(delays.slice(0, 4), [100, 200, 400, 800]);
    assert.deepEqual(delays.slice(-2), [60_000, 60_000]);
    assert.equal(restartDelay(60_000, { ...end, ranMs: 10_000 }), 100);
  });
});

describe('a health check', () => {
  const image = { Healthcheck: { Test: ['CMD', '/check'], Interval: 5e9, Retries: 7 } };
  const rows: readonly (readonly [string, HealthOptions | undefined, object, unknown])[] = [
    ['of nothing', undefined, {}, undefined],
    ['of the image', undefined, image, [['/check'], 5000, 30_000, 0, 7]],
    ['of the image, another interval', { intervalMs: 9 }, image, [['/check'], 9, 30_000, 0, 7]],
    [
      'of the options',
      { command: 'x y', retries: 2, startPeriodMs: 4 },
      image,
      [['/bin/sh', '-c', 'x y'], 5000, 30_000, 4, 2],
    ],
    ['that is switched off', { isDisabled: true }, image, undefined],
    ['that the image switches off', undefined, { Healthcheck: { Test: ['NONE'] } }, undefined],
    [
      "in the image's shell",
      undefined,
      { Healthcheck: { Test: ['CMD-SHELL', 'x'] }, Shell: ['/bin/bash', '-c'] },
      [['/bin/bash', '-c', 'x'], 30_000, 30_000, 0, 3],
    ],
    ['of junk', undefined, { Healthcheck: { Test: 'CMD', Interval: 'x' } }, undefined],
    [
      'with junk in it',
      undefined,
      { Healthcheck: { Test: ['CMD', 'x'], Interval: -1, Timeout: {}, Retries: null } },
      [['x'], 30_000, 30_000, 0, 3],
    ],
  ];
  for (const [what, options, config, expected] of rows) {
    it(`${what} is what it should be`, () => {
      const check = resolveHealthCheck(options, config);
      const found = check && [
        check.command,
        check.intervalMs,
        check.timeoutMs,
        check.startPeriodMs,
        check.retries,
      ];
      assert.deepEqual(found, expected);
    });
  }

  const after = (codes: readonly number[], isEarly = false): Health =>
    codes.reduce<Health>(
      (health, exitCode) =>
        nextHealth(health, { start: '', end: '', exitCode, output: '' }, { retries: 3, isEarly }),
      { status: 'starting', failingStreak: 0, log: [] },
    );
  const outcomes: readonly (readonly [readonly number[], boolean, string, number])[] = [
    [[], false, 'starting', 0],
    [[0], false, 'healthy', 0],
    [[1, 1], false, 'starting', 2],
    [[1, 1, 1], false, 'unhealthy', 3],
    [[0, 1, -1], false, 'healthy', 2],
    [[0, 1, -1, 2], false, 'unhealthy', 3],
    [[1, 1, 1, 0], false, 'healthy', 0],
    [[1, 1, 1, 1], true, 'starting', 0],
    [[0, 1, 1, 1], true, 'unhealthy', 3],
  ];
  for (const [codes, isEarly, status, streak] of outcomes) {
    it(`says ${status} after ${codes.join(', ') || 'nothing'}${isEarly ? ' at first' : ''}`, () => {
      const health = after(codes, isEarly);
      assert.deepEqual([health.status, health.failingStreak], [status, streak]);
    });
  }

  it('remembers five outcomes', () => {
    assert.equal(after([1, 1, 1, 1, 1, 1, 0]).log.length, 5);
  });
});
