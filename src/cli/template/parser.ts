/** From the text of a Go template to its nodes. Names of functions and variables are checked here. */
import { quote } from '../../core/errors.ts';
import { type Segment, splitTemplate, type Token } from './lexer.ts';
import type { Block, Node } from './nodes.ts';
import { parsePipeline, type Scope } from './pipeline-parser.ts';
import { templateError } from './template-error.ts';

/**
 * Parses a template.
 *
 * @param functions names that it may call
 * @throws EngineError `USAGE_INVALID`
 */
export function parseTemplate(template: string, functions: readonly string[]): readonly Node[] {
  const segments = splitTemplate(template);
  const reader: Reader = { segments, at: 0 };
  const { nodes, end } = parseNodes(reader, { functions, variables: ['$'], isInRange: false });
  if (end !== undefined) throw templateError(`there is nothing that ${quote(end.source)} ends`);
  return nodes;
}

interface Reader {
  readonly segments: readonly Segment[];
  at: number;
}

type Action = Extract<Segment, { kind: 'action' }>;

interface ParsedNodes {
  readonly nodes: readonly Node[];
  /** The `end` or `else` behind them. */
  readonly end: Action | undefined;
}

const UNSUPPORTED = ['define', 'template', 'block'];

function parseNodes(reader: Reader, outer: Scope): ParsedNodes {
  const scope: Scope = { ...outer, variables: [...outer.variables] };
  const nodes: Node[] = [];
  for (;;) {
    const segment = reader.segments[reader.at];
    if (segment === undefined) return { nodes, end: undefined };
    reader.at += 1;
    if (segment.kind === 'text') {
      nodes.push(segment);
      continue;
    }
    const word = keywordOf(segment.tokens);
    if (word === 'end' || word === 'else') return { nodes, end: segment };
    nodes.push(parseAction(reader, segment, scope));
  }
}

function keywordOf(tokens: readonly Token[]): string | undefined {
  const [first] = tokens;
  return first?.kind === 'word' ? first.text : undefined;
}

function parseAction(reader: Reader, action: Action, scope: Scope): Node {
  const { tokens, source } = action;
  const word = keywordOf(tokens) ?? '';
  if (word === 'if' || word === 'with' || word === 'range') {
    return parseBlock(reader, { kind: word, tokens: tokens.slice(1), source }, scope);
  }
  if (word === 'break' || word === 'continue') {
    if (scope.isInRange && tokens.length === 1) return { kind: word };
    throw templateError(`${quote(source)} stands outside of a range`);
  }
  if (UNSUPPORTED.includes(word)) throw templateError(`${quote(source)}: ${word} is not supported`);
  return { kind: 'action', pipeline: parsePipeline(tokens, source, scope) };
}

interface BlockStart {
  readonly kind: Block['kind'];
  readonly tokens: readonly Token[];
  readonly source: string;
}

function parseBlock(reader: Reader, start: BlockStart, outer: Scope): Block {
  const { kind, tokens, source } = start;
  // What the head declares is known in both branches and not behind them.
  const scope: Scope = { ...outer, variables: [...outer.variables] };
  const pipeline = parsePipeline(tokens, source, scope, kind === 'range');
  const isInRange = kind === 'range' || scope.isInRange;
  const { nodes: body, end } = parseNodes(reader, { ...scope, isInRange });
  if (end === undefined) throw templateError(`${quote(source)} has no {{end}}`);
  const otherwise = parseElse(reader, { end, kind, source }, scope);
  return { kind, pipeline, body, otherwise };
}

function parseElse(
  reader: Reader,
  { end, kind, source }: { readonly end: Action; readonly kind: string; readonly source: string },
  scope: Scope,
): readonly Node[] {
  const [first, second, ...condition] = end.tokens;
  if (first?.kind === 'word' && first.text === 'end') {
    if (second !== undefined) throw templateError(`${quote(end.source)} has something behind end`);
    return [];
  }
  if (second !== undefined) {
    const isChain = second.kind === 'word' && second.text === kind && kind !== 'range';
    if (!isChain) throw templateError(`${quote(end.source)} does not go with ${quote(source)}`);
    // The {{end}} of the inner one is that of the outer one.
    return [
      parseBlock(reader, { kind: kind as 'if', tokens: condition, source: end.source }, scope),
    ];
  }
  const { nodes, end: last } = parseNodes(reader, scope);
  if (last === undefined) throw templateError(`${quote(source)} has no {{end}}`);
  if (keywordOf(last.tokens) !== 'end') throw templateError(`${quote(source)} has two {{else}}`);
  return nodes;
}
