/** Finds commands and topics by the words that a user types; aliases count. */
import type { Command } from '@oclif/core/command';
import type { Manifest } from '@oclif/core/interfaces';
import { EngineError, quote } from '../core/errors.ts';
import { nearest } from './suggest.ts';

/** A command of the manifest. */
export type ListedCommand = Command.Cached;

const HELP_HINT = 'Run "dray help" for the list of commands.';

/** The longest command name, or alias, that `words` begin with, and its number of words. */
export function findCommand(
  words: readonly string[],
  manifest: Manifest,
): { readonly command: ListedCommand; readonly length: number } | undefined {
  for (const length of [2, 1]) {
    const id = words.slice(0, length).join(':');
    const command = words.length < length ? undefined : lookUp(id, manifest);
    if (command !== undefined) return { command, length };
  }
  return undefined;
}

/** Whether commands of two words begin with `word`. */
export function isTopic(word: string, manifest: Manifest): boolean {
  return Object.keys(manifest.commands).some((id) => id.startsWith(`${word}:`));
}

/** The error for words that name no command, with the nearest that does. */
export function unknownCommand(words: readonly string[], manifest: Manifest): EngineError {
  const [first = '', second] = words;
  if (first.startsWith('-')) {
    return new EngineError('USAGE_INVALID', `unknown flag ${quote(first)}`, { hint: HELP_HINT });
  }
  const typed = isTopic(first, manifest) && second !== undefined ? `${first} ${second}` : first;
  const guess = nearest(typed, knownNames(manifest));
  const hint = guess === undefined ? HELP_HINT : `Did you mean "dray ${guess}"?`;
  return new EngineError('USAGE_INVALID', `unknown command ${quote(typed)}`, { hint });
}

function knownNames(manifest: Manifest): string[] {
  return Object.entries(manifest.commands)
    .filter(([, { hidden }]) => !hidden)
    .flatMap(([id, { aliases }]) => [id, ...aliases])
    .map((id) => id.replaceAll(':', ' '));
}

function lookUp(id: string, manifest: Manifest): ListedCommand | undefined {
  if (Object.hasOwn(manifest.commands, id)) return manifest.commands[id];
  return Object.values(manifest.commands).find((command) => command.aliases.includes(id));
}
