/** From the arguments of the process to what is asked: a command, or help. */
import type { Manifest } from '@oclif/core/interfaces';
import { EngineError } from '../core/errors.ts';
import { canonicalArguments, type FlagShape, type FlagShapes } from './argv.ts';
import { findCommand, isTopic, unknownCommand } from './command-lookup.ts';
import { GLOBAL_GROUP } from './global-flags.ts';

/** What one command line asks for. */
export type Invocation =
  /** `argv` is canonical: flags, `--`, positional arguments. */
  | { readonly kind: 'command'; readonly id: string; readonly argv: readonly string[] }
  /** `words` name a command or topic; none is the whole program. */
  | { readonly kind: 'help'; readonly words: readonly string[] };

/**
 * Reads a command line. Global flags may stand before the command.
 *
 * @throws EngineError `USAGE_INVALID`; `commandIn` tells which command it concerns
 */
export function readInvocation(argv: readonly string[], manifest: Manifest): Invocation {
  const { globals, words } = splitGlobals(argv, manifest);
  const [first, second] = words;
  if (first === undefined || isHelpFlag(first)) return { kind: 'help', words: [] };
  if (first === '--version') return { kind: 'command', id: 'version', argv: ['--'] };
  const found = findCommand(words, manifest);
  if (found !== undefined) {
    return commandInvocation(found.command, [...globals, ...words.slice(found.length)]);
  }
  if (isTopic(first, manifest) && (second === undefined || isHelpFlag(second))) {
    return { kind: 'help', words: [first] };
  }
  throw unknownCommand(words, manifest);
}

/** The id of the command that `argv` names, if any. */
export function commandIn(argv: readonly string[], manifest: Manifest): string | undefined {
  return findCommand(splitGlobals(argv, manifest).words, manifest)?.command.id;
}

function commandInvocation(
  command: Manifest['commands'][string],
  tokens: readonly string[],
): Invocation {
  const { argv, isHelpAsked } = canonicalArguments(tokens, command.flags as FlagShapes, {
    stopsAtPositional: command.stopsAtPositional === true,
  });
  if (isHelpAsked) return { kind: 'help', words: command.id.split(':') };
  checkCount(argv.length - 1 - argv.indexOf('--'), Object.values(command.args));
  return { kind: 'command', id: command.id, argv };
}

/** @throws EngineError `USAGE_INVALID` when there are too few or too many positional arguments */
function checkCount(count: number, args: readonly ArgShape[]): void {
  const missing = args.filter(({ required }) => required)[count];
  if (missing !== undefined) {
    throw new EngineError('USAGE_INVALID', `the argument ${missing.name.toUpperCase()} is missing`);
  }
  if (count > args.length && !args.some(({ multiple }) => multiple)) {
    const expected = args.length === 0 ? 'none' : `at most ${args.length}`;
    throw new EngineError('USAGE_INVALID', `${count} arguments were given, ${expected} expected`);
  }
}

interface ArgShape {
  readonly name: string;
  readonly required?: boolean | undefined;
  readonly multiple?: boolean | undefined;
}

/** Global flags before the command, and the rest. */
function splitGlobals(argv: readonly string[], manifest: Manifest) {
  const flags = globalFlagsOf(manifest);
  let index = 0;
  for (let token = argv[0]; token?.startsWith('-') === true; token = argv[index]) {
    const flag = flagNamed(token, flags);
    if (flag === undefined) break;
    index += flag.type === 'option' && !token.includes('=') ? 2 : 1;
  }
  return { globals: argv.slice(0, index), words: argv.slice(index) };
}

function flagNamed(token: string, flags: readonly (FlagShape & { name?: string })[]) {
  const name = token.replace(/^--?/, '').replace(/=.*$/s, '');
  const isLong = token.startsWith('--');
  return flags.find((flag) => (isLong ? flag.name : flag.char) === name);
}

function globalFlagsOf(manifest: Manifest): readonly (FlagShape & { name?: string })[] {
  return Object.values(manifest.commands)
    .flatMap((command) => Object.values(command.flags))
    .filter((flag) => flag.helpGroup === GLOBAL_GROUP);
}

function isHelpFlag(word: string): boolean {
  return word === '--help' || word === '-h';
}
