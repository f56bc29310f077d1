/**
 * Cuts a Go template into text and actions, and actions into tokens, as text/template does.
 *
 * An action is what stands between `{{` and `}}`. `{{- ` takes white space before it away and ` -}}`
 * that behind it. A token that follows its neighbour without a space is "glued" to it: `.A.B` is one
 * operand, `.A .B` are two.
 */
import { quote } from '../../core/errors.ts';
import { unquoteString } from './string-literal.ts';
import { templateError } from './template-error.ts';

/** One token of an action. */
export type Token = { readonly isGlued: boolean } & (
  | { readonly kind: 'field' | 'variable' | 'word'; readonly text: string }
  | { readonly kind: 'dot' }
  | { readonly kind: 'value'; readonly value: string | number }
  | { readonly kind: 'mark'; readonly text: '(' | ')' | '|' | ',' | ':=' | '=' }
);

/** A piece of a template. `source` is the action as it was written. */
export type Segment =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly tokens: readonly Token[]; readonly source: string };

const SPACE = /[ \t\r\n]/;
const COMMENT = /^\{\{(- |-\t|-\r|-\n)?\/\*[\s\S]*?\*\/( -|\t-|\r-|\n-)?\}\}/;

/** @throws EngineError `USAGE_INVALID` */
export function splitTemplate(template: string): Segment[] {
  const segments: Segment[] = [];
  let trimsNext = false;
  for (let at = 0; at <= template.length; ) {
    const open = template.indexOf('{{', at);
    const end = open < 0 ? template.length : open;
    const text = template.slice(at, end);
    const trimsBefore = open >= 0 && isTrimOpening(template, open);
    const left = trimsNext ? text.trimStart() : text;
    const kept = trimsBefore ? left.trimEnd() : left;
    if (kept !== '') segments.push({ kind: 'text', text: kept });
    if (open < 0) break;
    const action = readAction(template, open, trimsBefore);
    if (action.tokens !== undefined) {
      const source = template.slice(open, action.end);
      segments.push({ kind: 'action', tokens: action.tokens, source });
    }
    trimsNext = action.trimsAfter;
    at = action.end;
  }
  return segments;
}

function isTrimOpening(template: string, open: number): boolean {
  return template[open + 2] === '-' && SPACE.test(template[open + 3] ?? '');
}

interface ReadAction {
  /** Undefined for a comment. */
  readonly tokens: readonly Token[] | undefined;
  readonly trimsAfter: boolean;
  readonly end: number;
}

function readAction(template: string, open: number, isTrimming: boolean): ReadAction {
  const rest = template.slice(open);
  const comment = COMMENT.exec(rest);
  if (comment !== null) {
    const end = open + comment[0].length;
    return { tokens: undefined, trimsAfter: comment[2] !== undefined, end };
  }
  if (/^\{\{(-\s)?\/\*/.test(rest)) throw templateError('a comment "{{/*" has no end "*/}}"');
  const tokens: Token[] = [];
  let at = open + (isTrimming ? 3 : 2);
  let isGlued = false;
  for (;;) {
    const closing = /^(?:[ \t\r\n]+-)?\}\}/.exec(template.slice(at, at + 64))?.[0];
    if (closing !== undefined) {
      return { tokens, trimsAfter: closing.length > 2, end: at + closing.length };
    }
    if (at >= template.length) throw templateError(`${quote(rest)} has no end "}}"`);
    if (SPACE.test(template[at] ?? '')) {
      at += 1;
      isGlued = false;
      continue;
    }
    const { token, length } = readToken(template.slice(at), isGlued);
    tokens.push(token);
    at += length;
    isGlued = true;
  }
}

const FIELD = /^\.[\p{L}_][\p{L}\p{N}_]*/u;
const VARIABLE = /^\$[\p{L}\p{N}_]*/u;
const WORD = /^[\p{L}_][\p{L}\p{N}_]*/u;
const NUMBER =
  /^[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+)/;
const MARK = /^(?:\(|\)|\||,|:=|=)/;

function readToken(rest: string, isGlued: boolean): { token: Token; length: number } {
  const field = FIELD.exec(rest)?.[0];
  if (field !== undefined) {
    return { token: { kind: 'field', text: field.slice(1), isGlued }, length: field.length };
  }
  const variable = VARIABLE.exec(rest)?.[0];
  if (variable !== undefined) {
    return { token: { kind: 'variable', text: variable, isGlued }, length: variable.length };
  }
  const word = WORD.exec(rest)?.[0];
  if (word !== undefined)
    return { token: { kind: 'word', text: word, isGlued }, length: word.length };
  const number = NUMBER.exec(rest)?.[0];
  if (number !== undefined) {
    return { token: { kind: 'value', value: numberOf(number), isGlued }, length: number.length };
  }
  const mark = MARK.exec(rest)?.[0];
  if (mark !== undefined) {
    return { token: { kind: 'mark', text: mark as '(', isGlued }, length: mark.length };
  }
  if (rest.startsWith('.')) return { token: { kind: 'dot', isGlued }, length: 1 };
  const literal = unquoteString(rest);
  if (literal !== undefined) {
    return { token: { kind: 'value', value: literal.value, isGlued }, length: literal.length };
  }
  throw templateError(`unexpected ${quote(rest.slice(0, 20))} in an action`);
}

function numberOf(text: string): number {
  const plain = text.replaceAll('_', '');
  const value = /^[+-]/.test(plain)
    ? Number(plain.slice(1)) * (plain.startsWith('-') ? -1 : 1)
    : Number(plain);
  if (Number.isNaN(value)) throw templateError(`${quote(text)} is not a number`);
  return value;
}
