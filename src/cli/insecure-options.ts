/** `--insecure-options`: checks that the user gives up, as rkt has them. */
import * as Flags from '@oclif/core/flags';
import { EngineError, quote } from '../core/errors.ts';

/** The flag; its values are read by `ignoresSignatures`. */
export function insecureOptionsFlag() {
  return Flags.string({
    description: 'give up checks: "image" uses an image whose signatures the policy refuses',
    helpValue: 'none|image',
    default: 'none',
  });
}

/**
 * Whether the values of the flag say that signatures are not asked for.
 *
 * @throws EngineError `USAGE_INVALID` for a check that dray does not have
 */
export function ignoresSignatures(text: string): boolean {
  const names = text.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => name !== 'none' && name !== 'image');
  if (unknown !== undefined) {
    throw new EngineError(
      'USAGE_INVALID',
      `--insecure-options has ${quote(unknown)}; expected "none" or "image"`,
    );
  }
  return names.includes('image');
}
