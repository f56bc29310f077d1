import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asEngineError, errorJson } from '../../src/cli/error-report.ts';
import { EngineError } from '../../src/core/errors.ts';

const oclifError = (message: string) => Object.assign(new Error(message), { oclif: { exit: 2 } });

describe('asEngineError', () => {
  const rows: readonly { name: string; error: unknown; code: string; message: string }[] = [
    {
      name: 'takes the advertisement off a parse error',
      error: oclifError('Expected --sort=x to be one of: id, name\nSee more help with --help'),
      code: 'USAGE_INVALID',
      message: 'Expected --sort=x to be one of: id, name',
    },
    {
      name: 'keeps code and sentence of an error that a flag threw',
      error: Object.assign(new EngineError('USAGE_INVALID', 'x'), {
        message: 'Parsing --platform \n\t"x" is not a platform\nSee more help with --help',
      }),
      code: 'USAGE_INVALID',
      message: '--platform: "x" is not a platform',
    },
    {
      name: 'makes one line of a parse error with several',
      error: oclifError('The following error occurred:\n  --a cannot be used with --b'),
      code: 'USAGE_INVALID',
      message: 'The following error occurred: --a cannot be used with --b',
    },
    {
      name: 'leaves an engine error alone',
      error: new EngineError('IMAGE_NOT_FOUND', 'gone'),
      code: 'IMAGE_NOT_FOUND',
      message: 'gone',
    },
  ];
  for (const { name, error, code, message } of rows) {
    it(name, () => {
      const result = asEngineError(error);
      assert.ok(result instanceof EngineError);
      assert.deepEqual([result.code, result.message], [code, message]);
    });
  }

  it('does not pass a bug off as a mistake of the user', () => {
    const bug = new TypeError('x is not a function');
    assert.equal(asEngineError(bug), bug);
  });
});

describe('errorJson', () => {
  it('has code, message and hint', () => {
    const error = new EngineError('IMAGE_NOT_FOUND', 'gone', { hint: 'Fetch it.' });
    assert.deepEqual(errorJson(error), {
      error: { code: 'IMAGE_NOT_FOUND', message: 'gone', hint: 'Fetch it.' },
    });
  });

  it('points to the help of the command whose line was wrong', () => {
    const { error } = errorJson(new EngineError('USAGE_INVALID', 'x'), { command: 'image list' });
    assert.equal(error.hint, 'Run "dray image list --help" for its arguments and flags.');
  });

  it('calls a bug internal', () => {
    assert.deepEqual(errorJson(new TypeError('x')), {
      error: { code: 'INTERNAL', message: 'x', hint: null },
    });
  });
});
