/** The flag `--config` of `image import`. */
import { EngineError, quote } from '../../core/errors.ts';
import { readFlagFile } from './flag-file.ts';

/**
 * The JSON that `--config` gives: itself when it is an object, else what the file of that name holds.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export function configText(value: string): string {
  if (value.trimStart().startsWith('{')) return value;
  try {
    return readFlagFile(value).toString('utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError('USAGE_INVALID', `--config: cannot read ${quote(value)}: ${why}`, {
      hint: 'Name a file, or give JSON such as \'{"config":{"Cmd":["sh"]}}\'.',
      cause,
    });
  }
}
