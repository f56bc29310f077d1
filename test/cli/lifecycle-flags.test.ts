import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type LifecycleFlagValues, parseLifecycleFlags } from '../../src/cli/lifecycle-flags.ts';
import { engineError } from '../support/engine-errors.ts';

const NOTHING: LifecycleFlagValues = {
  json: undefined,
  rm: false,
  restart: 'no',
  replace: false,
  'uuid-file-save': undefined,
  'log-max-size': undefined,
  'log-max-files': undefined,
  'health-cmd': undefined,
  'health-interval': undefined,
  'health-timeout': undefined,
  'health-start-period': undefined,
  'health-retries': undefined,
  'no-healthcheck': false,
  sdnotify: 'ignore',
};

type Row = readonly [what: string, flags: Partial<LifecycleFlagValues>, expected: object];

const context = { env: { NOTIFY_SOCKET: '/run/systemd/notify' }, cwd: '/here' };
const parse = (flags: Partial<LifecycleFlagValues>) =>
  parseLifecycleFlags({ ...NOTHING, ...flags }, context);

describe('the flags of a life cycle', () => {
  const rows: readonly Row[] = [
    ['nothing', {}, {}],
    ['a policy', { restart: 'always' }, { restart: { when: 'always' } }],
    ['a policy for failures', { restart: 'on-failure' }, { restart: { when: 'on-failure' } }],
    [
      'a policy with a limit',
      { restart: 'on-failure:3' },
      { restart: { when: 'on-failure', maximumRetries: 3 } },
    ],
    ['a file for the id', { 'uuid-file-save': 'id' }, { uuidFile: '/here/id' }],
    [
      'limits of the log',
      { 'log-max-size': '10m', 'log-max-files': '2' },
      { log: { maxSegmentBytes: 10 * 1024 * 1024, maxSegments: 2 } },
    ],
    [
      'the size of log files alone',
      { 'log-max-size': '1k' },
      { log: { maxSegmentBytes: 1024, maxSegments: 5 } },
    ],
    [
      'a health check',
      { 'health-cmd': 'x', 'health-interval': '1m', 'health-retries': '2' },
      { health: { command: 'x', intervalMs: 60_000, retries: 2 } },
    ],
    ['no health check', { 'no-healthcheck': true }, { health: { isDisabled: true } }],
    [
      'no health check, as docker has it',
      { 'health-cmd': 'none' },
      { health: { isDisabled: true } },
    ],
    [
      'readiness by the container',
      { sdnotify: 'container' },
      { notify: { by: 'container', socket: '/run/systemd/notify' } },
    ],
    [
      'readiness by dray',
      { sdnotify: 'conmon' },
      { notify: { by: 'dray', socket: '/run/systemd/notify' } },
    ],
  ];
  for (const [what, flags, expected] of rows) {
    it(`say ${what}`, () => assert.deepEqual(parse(flags), expected));
  }

  it('tell nobody of readiness when there is no service manager', () => {
    assert.deepEqual(
      parseLifecycleFlags({ ...NOTHING, sdnotify: 'container' }, { env: {}, cwd: '/' }),
      {},
    );
  });

  const refused: readonly (readonly [string, Partial<LifecycleFlagValues>])[] = [
    ['an unknown policy', { restart: 'sometimes' }],
    ['a limit where there is none', { restart: 'always:3' }],
    ['a policy for what is removed', { restart: 'always', rm: true }],
    ['a number of log files without a size', { 'log-max-files': '3' }],
    ['log files without room', { 'log-max-size': '0' }],
    ['no log file', { 'log-max-size': '1k', 'log-max-files': '0' }],
    ['a check and none', { 'no-healthcheck': true, 'health-cmd': 'x' }],
    ['an interval that is none', { 'health-interval': 'soon' }],
    ['an unknown notifier', { sdnotify: 'healthy?' }],
  ];
  for (const [what, flags] of refused) {
    it(`refuse ${what}`, () => assert.throws(() => parse(flags), engineError('USAGE_INVALID')));
  }
});
