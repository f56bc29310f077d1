/**
 * Brings a command's arguments into one canonical form before oclif parses them.
 *
 * oclif looks for flags up to the first `--`, wherever they stand, and sorts what is left; docker's
 * grammar, which scripts are written for, has clusters (`-it`), `--flag=false`, a last value that
 * wins, and leaves alone what follows the image. So flags are read here, by the command's own
 * definitions, and handed on as `--name value … -- positional …`.
 */
import { EngineError, quote } from '../core/errors.ts';
import { nearest } from './suggest.ts';

/** What the pre-pass needs to know of a flag; oclif's manifest and definitions both have it. */
export interface FlagShape {
  readonly type: 'boolean' | 'option';
  readonly char?: string | undefined;
  readonly multiple?: boolean | undefined;
  /** A boolean flag that is on unless `--NAME=false` turns it off. */
  readonly allowNo?: boolean | undefined;
  readonly aliases?: readonly string[] | undefined;
  readonly charAliases?: readonly string[] | undefined;
  /** One that begins with `[=` says that the value may be left out, and else follows a `=`. */
  readonly helpValue?: string | readonly string[] | undefined;
}

/** The value of a flag whose value was left out. */
const LEFT_OUT = 'true';

/** Flags of a command by name. */
export type FlagShapes = Readonly<Record<string, FlagShape>>;

/** Canonical arguments. */
export interface CanonicalArguments {
  /** For oclif: flags, `--`, positional arguments. */
  readonly argv: readonly string[];
  /** `--help`, or `-h` where it means nothing else, was among the flags. */
  readonly isHelpAsked: boolean;
}

/** How far flags reach. */
export interface FlagScope {
  /** Flags end at the first positional argument; what follows is not ours. */
  readonly stopsAtPositional: boolean;
}

/**
 * Canonical form of `tokens`.
 *
 * @throws EngineError `USAGE_INVALID` for an unknown flag, a missing value, or a boolean flag with a
 * value that is none
 */
export function canonicalArguments(
  tokens: readonly string[],
  flags: FlagShapes,
  scope: FlagScope,
): CanonicalArguments {
  const reader = new FlagReader(tokens, flags);
  const positional: string[] = [];
  for (let token = reader.next(); token !== undefined; token = reader.next()) {
    if (token === '--') {
      positional.push(...reader.rest());
    } else if (token.startsWith('-') && token !== '-') {
      reader.readFlag(token);
    } else {
      positional.push(token);
      if (scope.stopsAtPositional) positional.push(...reader.rest());
    }
  }
  return { argv: [...reader.flagTokens(), '--', ...positional], isHelpAsked: reader.isHelpAsked };
}

/** Reads flags off a list of tokens. */
class FlagReader {
  isHelpAsked = false;
  readonly #tokens: string[];
  readonly #flags: FlagShapes;
  readonly #values = new Map<string, string[]>();

  constructor(tokens: readonly string[], flags: FlagShapes) {
    this.#tokens = [...tokens];
    this.#flags = flags;
  }

  next(): string | undefined {
    return this.#tokens.shift();
  }

  rest(): string[] {
    return this.#tokens.splice(0);
  }

  flagTokens(): string[] {
    return [...this.#values].flatMap(([name, values]) =>
      this.#flags[name]?.type === 'boolean'
        ? [values[0] === 'true' ? `--${name}` : `--no-${name}`]
        : values.flatMap((value) => [`--${name}`, value]),
    );
  }

  readFlag(token: string): void {
    if (token.startsWith('--')) this.#readLong(token);
    else this.#readCluster(token.slice(1));
  }

  #readLong(token: string): void {
    const equals = token.indexOf('=');
    const typed = equals < 0 ? token.slice(2) : token.slice(2, equals);
    const inline = equals < 0 ? undefined : token.slice(equals + 1);
    const name = this.#longName(typed);
    if (name !== undefined) this.#read(name, inline);
    else if (typed === 'help') this.isHelpAsked = true;
    else throw unknownFlag(`--${typed}`, Object.keys(this.#flags));
  }

  /** `-it`, `-e NAME=value`, `-eNAME=value`, `-e=NAME=value`. */
  #readCluster(cluster: string): void {
    const char = cluster.charAt(0);
    const rest = cluster.slice(1);
    const name = this.#shortName(char);
    if (name === undefined) {
      if (char !== 'h') throw unknownFlag(`-${char}`, []);
      this.isHelpAsked = true;
    } else if (this.#flags[name]?.type === 'option' || rest.startsWith('=')) {
      this.#read(name, rest === '' ? undefined : rest.replace(/^=/, ''));
      return;
    } else {
      this.#read(name, undefined);
    }
    if (rest !== '') this.#readCluster(rest);
  }

  #read(name: string, inline: string | undefined): void {
    const flag = this.#flags[name];
    if (flag?.type === 'boolean') {
      if (parseBoolean(name, inline)) this.#values.set(name, ['true']);
      else if (flag.allowNo === true) this.#values.set(name, ['false']);
      else this.#values.delete(name);
      return;
    }
    const isOptional = String(flag?.helpValue ?? '').startsWith('[=');
    const value = inline ?? (isOptional ? LEFT_OUT : this.next());
    if (value === undefined) {
      throw new EngineError('USAGE_INVALID', `the flag --${name} needs a value`);
    }
    const earlier = flag?.multiple ? (this.#values.get(name) ?? []) : [];
    this.#values.set(name, [...earlier, value]);
  }

  #longName(typed: string): string | undefined {
    if (Object.hasOwn(this.#flags, typed)) return typed;
    return this.#find((flag) => flag.aliases?.includes(typed));
  }

  #shortName(char: string): string | undefined {
    return this.#find((flag) => flag.char === char || flag.charAliases?.includes(char));
  }

  #find(matches: (flag: FlagShape) => boolean | undefined): string | undefined {
    return Object.entries(this.#flags).find(([, flag]) => matches(flag))?.[0];
  }
}

function unknownFlag(flag: string, known: readonly string[]): EngineError {
  const guess = nearest(
    flag,
    known.map((name) => `--${name}`),
  );
  const hint = guess === undefined ? {} : { hint: `Did you mean "${guess}"?` };
  return new EngineError('USAGE_INVALID', `unknown flag ${quote(flag)}`, hint);
}

const TRUE_WORDS = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const FALSE_WORDS = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

function parseBoolean(name: string, text: string | undefined): boolean {
  if (text === undefined || TRUE_WORDS.includes(text)) return true;
  if (FALSE_WORDS.includes(text)) return false;
  throw new EngineError(
    'USAGE_INVALID',
    `the flag --${name} takes "true" or "false", not ${quote(text)}`,
  );
}
