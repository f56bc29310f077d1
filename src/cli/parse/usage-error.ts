/** Errors about what was typed. */
import { EngineError, type EngineErrorOptions } from '../../core/errors.ts';

/** An error of the command line; `message` is one sentence that quotes what was typed. */
export function usageError(message: string, options: EngineErrorOptions = {}): EngineError {
  return new EngineError('USAGE_INVALID', message, options);
}
