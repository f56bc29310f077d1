/** Go's string and character literals: "…" with escapes, `…` without, and '…'. */
import { quote } from '../../core/errors.ts';
import { templateError } from './template-error.ts';

/** A literal at the start of a text, and how long it is there. */
export interface StringLiteral {
  /** The text; of a character its number. */
  readonly value: string | number;
  readonly length: number;
}

const INTERPRETED = /^"(?:[^"\\\n]|\\[^\n])*"/;
const RAW = /^`[^`]*`/;
const CHARACTER = /^'(?:[^'\\\n]|\\[^\n][0-9a-fA-F]{0,8})'/u;

/** The literal that `text` begins with; undefined when it does not begin with one. */
export function unquoteString(text: string): StringLiteral | undefined {
  const raw = RAW.exec(text)?.[0];
  if (raw !== undefined) return { value: raw.slice(1, -1), length: raw.length };
  const interpreted = INTERPRETED.exec(text)?.[0];
  if (interpreted !== undefined) {
    return { value: withoutEscapes(interpreted.slice(1, -1)), length: interpreted.length };
  }
  const character = CHARACTER.exec(text)?.[0];
  if (character !== undefined) {
    const value = withoutEscapes(character.slice(1, -1)).codePointAt(0) ?? 0;
    return { value, length: character.length };
  }
  if (/^["'`]/.test(text)) throw templateError(`the text ${quote(text)} has no end`);
  return undefined;
}

const SIMPLE: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))/gsu;

function withoutEscapes(text: string): string {
  return text.replace(
    ESCAPE,
    (whole, x?: string, u?: string, U?: string, octal?: string, c = '') => {
      const hex = x ?? u ?? U;
      const simple = SIMPLE[c];
      if (simple !== undefined) return simple;
      const code = hex === undefined ? Number.parseInt(octal ?? '', 8) : Number.parseInt(hex, 16);
      if (code <= 0x10ffff) return String.fromCodePoint(code);
      throw templateError(`${quote(whole)} is not an escape of Go`);
    },
  );
}
