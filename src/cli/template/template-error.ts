/** What is wrong with a template, for its writer. */
import { escapeControls, quote } from '../../core/errors.ts';
import { usageError } from '../parse/usage-error.ts';
import { nearest } from '../suggest.ts';

/** The error for a template that cannot be read, or does not fit its data. */
export function templateError(why: string, hint?: string): Error {
  return usageError(`--format: ${why}`, hint === undefined ? {} : { hint });
}

/** The error for a name that is none of `known`, with the nearest of them. */
export function unknownName(what: string, name: string, known: readonly string[]): Error {
  const why = `there is no ${what} ${quote(name)}`;
  if (known.length === 0) return templateError(why);
  const guess = nearest(name, known);
  const list = `There are: ${known.map(escapeControls).join(', ')}.`;
  return templateError(why, guess === undefined ? list : `Did you mean "${guess}"? ${list}`);
}
