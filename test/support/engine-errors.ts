/** Matchers for `assert.throws` and `assert.rejects`. */
import assert from 'node:assert/strict';
import { EngineError, type ErrorCode } from '../../src/core/errors.ts';

/** Accepts an `EngineError` with this code whose message is one line and matches. */
export function engineError(code: ErrorCode, message = /./): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof EngineError, `not an EngineError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    assert.ok(error.message.length < 1500, `message of ${error.message.length} characters`);
    return true;
  };
}
