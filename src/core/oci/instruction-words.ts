/**
 * The words of a Dockerfile instruction: quotes, escapes and variables as Docker's own parser reads
 * them. Pure.
 *
 * A raw word keeps its quotes, since `NAME="a b"` is one word whose value is unquoted only later;
 * `expandWord` then removes them and puts variables in.
 */
import { EngineError, quote } from '../errors.ts';

/** Splits at white space outside of quotes; quotes and escapes stay in the words. */
export function splitWords(text: string): string[] {
  return text.match(/(?:\\[\s\S]|'[^']*'?|"(?:\\[\s\S]|[^"\\])*"?|[^\s\\'"])+\\?/g) ?? [];
}

/**
 * A raw word without its quotes and escapes, with `$NAME`, `${NAME}`, `${NAME:-word}` and
 * `${NAME:+word}` replaced outside of single quotes. An unset variable is empty.
 *
 * @throws EngineError `USAGE_INVALID` for a quote or brace that is not closed, or another modifier
 */
export function expandWord(word: string, variables: ReadonlyMap<string, string>): string {
  return expandFrom({ text: word, at: 0, variables }, '');
}

interface Scanner {
  readonly text: string;
  readonly variables: ReadonlyMap<string, string>;
  at: number;
}

/** Expands until `end`, which is taken too, or the end of the text when `end` is empty. */
function expandFrom(scanner: Scanner, end: '' | '"' | '}'): string {
  const { text } = scanner;
  let result = '';
  while (scanner.at < text.length) {
    const character = text.charAt(scanner.at);
    scanner.at += 1;
    if (character === end) return result;
    if (character === '\\') result += takeEscaped(scanner, end === '"');
    else if (character === '$') result += takeVariable(scanner);
    else if (character === '"' && end !== '"') result += expandFrom(scanner, '"');
    else if (character === "'" && end !== '"') result += takeSingleQuoted(scanner);
    else result += character;
  }
  if (end !== '') throw unclosed(text, end);
  return result;
}

// Inside double quotes a backslash escapes only what would mean something there.
function takeEscaped(scanner: Scanner, isQuoted: boolean): string {
  const next = scanner.text.charAt(scanner.at);
  scanner.at += 1;
  return isQuoted && !'"$\\'.includes(next) ? `\\${next}` : next;
}

function takeSingleQuoted(scanner: Scanner): string {
  const close = scanner.text.indexOf("'", scanner.at);
  if (close < 0) throw unclosed(scanner.text, "'");
  const inside = scanner.text.slice(scanner.at, close);
  scanner.at = close + 1;
  return inside;
}

function takeVariable(scanner: Scanner): string {
  const rest = scanner.text.slice(scanner.at);
  const plain = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?!$-])/.exec(rest)?.[0];
  if (plain !== undefined) {
    scanner.at += plain.length;
    return scanner.variables.get(plain) ?? '';
  }
  if (!rest.startsWith('{')) return '$';
  const [head, name = '', modifier] =
    /^\{([A-Za-z_][A-Za-z0-9_]*|[0-9]+)(\}|:[-+])/.exec(rest) ?? [];
  if (head === undefined) {
    throw new EngineError(
      'USAGE_INVALID',
      `the variable at ${quote(`$${rest}`)} cannot be read; expected "$NAME", "\${NAME}", "\${NAME:-word}" or "\${NAME:+word}"`,
    );
  }
  scanner.at += head.length;
  const value = scanner.variables.get(name) ?? '';
  if (modifier === '}') return value;
  const word = expandFrom(scanner, '}');
  if (modifier === ':-') return value === '' ? word : value;
  return value === '' ? '' : word;
}

function unclosed(text: string, what: string): EngineError {
  return new EngineError('USAGE_INVALID', `${quote(text)} has no closing ${what}`);
}
