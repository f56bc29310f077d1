import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SystemCallError } from '../../../src/core/host/libc.ts';
import {
  checkReport,
  encodeFailure,
  encodeStarted,
} from '../../../src/core/operations/supervisor-request.ts';

describe('the report of a supervisor', () => {
  const failure = encodeFailure(new SystemCallError({ call: 'open', errno: 'ENOSPC' }, 'on "/x"'));
  const rows: readonly (readonly [string, string, (directory: string) => void, RegExp])[] = [
    ['that never came', '', () => {}, /the supervisor of the container ended at once/],
    [
      'of a container that another command stopped',
      '',
      (directory) => writeFileSync(join(directory, 'stop'), ''),
      /another command stopped or removed the container/,
    ],
    [
      'of a container that another command removed',
      '',
      (directory) => rmSync(directory, { recursive: true }),
      /another command stopped or removed the container/,
    ],
    ['of a failure', failure, () => {}, /^open failed on "\/x": ENOSPC/],
  ];
  for (const [what, text, prepare, expected] of rows) {
    it(`${what} says so`, () => {
      const directory = mkdtempSync(join(tmpdir(), 'dray-report-'));
      try {
        prepare(directory);
        assert.throws(() => checkReport(text, directory), { message: expected });
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }

  it('of a start is no error', () => {
    checkReport(encodeStarted(), '/nowhere');
  });

  it('keeps what a person can do about a full disk', () => {
    assert.throws(() => checkReport(failure, '/'), { hint: /dray gc/ });
  });
});
