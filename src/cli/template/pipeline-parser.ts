/** Pipelines of a Go template: `$x := index .Labels "a" | upper`. */
import { quote } from '../../core/errors.ts';
import type { Token } from './lexer.ts';
import type { Command, Operand, Pipeline, Term } from './nodes.ts';
import { templateError, unknownName } from './template-error.ts';

/** What names mean at a place of a template. `variables` grows as they are declared. */
export interface Scope {
  readonly functions: readonly string[];
  readonly variables: string[];
  readonly isInRange: boolean;
}

interface Reader {
  readonly tokens: readonly Token[];
  at: number;
  /** For errors. */
  readonly source: string;
  readonly scope: Scope;
}

/**
 * Parses the tokens of an action.
 *
 * @param isRange two variables may be declared
 * @throws EngineError `USAGE_INVALID`
 */
export function parsePipeline(
  tokens: readonly Token[],
  source: string,
  scope: Scope,
  isRange = false,
): Pipeline {
  const reader: Reader = { tokens, at: 0, source, scope };
  const declaration = readDeclaration(reader, isRange);
  const commands = readCommands(reader);
  if (reader.at < tokens.length) throw templateError(`${quote(source)} has a ")" too many`);
  if (!declaration.isAssignment) scope.variables.push(...declaration.names);
  return { ...declaration, commands };
}

function readDeclaration(reader: Reader, isRange: boolean): Omit<Pipeline, 'commands'> {
  const names: string[] = [];
  const { tokens, source, scope } = reader;
  for (let at = 0; ; at += 2) {
    const [name, mark] = [tokens[at], tokens[at + 1]];
    if (name?.kind !== 'variable' || mark?.kind !== 'mark') break;
    names.push(name.text);
    if (mark.text === ',' && isRange && names.length === 1) continue;
    if (mark.text !== ':=' && mark.text !== '=') break;
    reader.at = at + 2;
    const isAssignment = mark.text === '=';
    const unknown = names.find((each) => isAssignment && !scope.variables.includes(each));
    if (unknown !== undefined) throw unknownName('variable', unknown, scope.variables);
    return { names, isAssignment };
  }
  if (names.length > 1) throw templateError(`${quote(source)} declares what it does not set`);
  return { names: [], isAssignment: false };
}

function readCommands(reader: Reader): Command[] {
  const commands = [readCommand(reader)];
  while (isMark(peek(reader), '|')) {
    reader.at += 1;
    commands.push(readCommand(reader));
  }
  for (const { head } of commands.slice(1)) {
    const { kind } = head.operand;
    const isCallable = kind === 'function' || kind === 'pipeline' || head.fields.length > 0;
    if (!isCallable) throw templateError(`${quote(reader.source)} pipes into what is no function`);
  }
  return commands;
}

function readCommand(reader: Reader): Command {
  const terms: Term[] = [];
  for (;;) {
    const token = peek(reader);
    if (token === undefined || isMark(token, '|') || isMark(token, ')')) break;
    terms.push(readTerm(reader));
  }
  const [head, ...args] = terms;
  if (head === undefined) throw templateError(`${quote(reader.source)} has nothing to show`);
  const { kind } = head.operand;
  if (kind === 'nil') throw templateError(`${quote(reader.source)}: nil alone shows nothing`);
  if (args.length > 0 && kind === 'literal') {
    throw templateError(`${quote(reader.source)} calls what is no function`);
  }
  return { head, args };
}

function readTerm(reader: Reader): Term {
  const first = peek(reader);
  const fields: string[] = [];
  const operand = readOperand(reader);
  if (first?.kind === 'field') fields.push(first.text);
  const isPlain = operand.kind === 'literal' || operand.kind === 'nil';
  for (let next = peek(reader); next?.isGlued; next = peek(reader)) {
    if (next.kind === 'mark' && next.text !== '(') break;
    if (next.kind !== 'field' || isPlain) {
      throw templateError(`${quote(reader.source)}: a space is missing`);
    }
    fields.push(next.text);
    reader.at += 1;
  }
  return { operand, fields };
}

/** Leaves the first field of a chain that begins with one to its caller. */
function readOperand(reader: Reader): Operand {
  const token = peek(reader);
  reader.at += 1;
  if (token === undefined) throw templateError(`${quote(reader.source)} ends too early`);
  switch (token.kind) {
    case 'dot':
    case 'field':
      return { kind: 'dot' };
    case 'value':
      return { kind: 'literal', value: token.value };
    case 'variable':
      if (reader.scope.variables.includes(token.text)) {
        return { kind: 'variable', name: token.text };
      }
      throw unknownName('variable', token.text, reader.scope.variables);
    case 'word':
      return operandOf(token.text, reader.scope);
    default:
      if (token.text === '(') return { kind: 'pipeline', pipeline: readParentheses(reader) };
      throw templateError(`${quote(reader.source)}: unexpected ${quote(token.text)}`);
  }
}

function operandOf(word: string, { functions }: Scope): Operand {
  if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' };
  if (word === 'nil') return { kind: 'nil' };
  if (functions.includes(word)) return { kind: 'function', name: word };
  throw unknownName('function', word, functions);
}

function readParentheses(reader: Reader): Pipeline {
  const commands = readCommands(reader);
  if (!isMark(peek(reader), ')')) throw templateError(`${quote(reader.source)}: a ")" is missing`);
  reader.at += 1;
  return { names: [], isAssignment: false, commands };
}

function peek({ tokens, at }: Reader): Token | undefined {
  return tokens[at];
}

function isMark(token: Token | undefined, text: string): boolean {
  return token?.kind === 'mark' && token.text === text;
}
