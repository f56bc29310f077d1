/** The functions of a template: those of text/template that matter here, and docker's. */
import { quote } from '../../core/errors.ts';
import { printf } from './printf.ts';
import { templateError } from './template-error.ts';
import { formatValue, isTrue, jsonText, kindOf, NO_VALUE, TextMap } from './values.ts';

/** A function on evaluated arguments. `and` and `or` are evaluated as far as needed, elsewhere. */
export type TemplateFunction = (args: readonly unknown[]) => unknown;

/** By name. */
export type TemplateFunctions = ReadonlyMap<string, TemplateFunction>;

function text(args: readonly unknown[], at: number, name: string): string {
  const value = args[at];
  if (typeof value === 'string') return value;
  throw wrongArgument(name, 'a text', value);
}

function integer(args: readonly unknown[], at: number, name: string): number {
  const value = args[at];
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw wrongArgument(name, 'a whole number', value);
}

function wrongArgument(name: string, expected: string, value: unknown): Error {
  return templateError(`${name} takes ${expected}, not ${kindOf(value)}`);
}

function list(args: readonly unknown[], at: number, name: string): readonly unknown[] {
  const value = args[at];
  if (Array.isArray(value)) return value;
  if (value === null || value === undefined) return [];
  throw wrongArgument(name, 'a list', value);
}

function title(value: string): string {
  return value.replace(
    /(^|[\s\x00-/:-@[-^`{-\x7f])(\p{Ll})/gu,
    (_, before: string, letter: string) => before + letter.toUpperCase(),
  );
}

const LONGEST_PADDING = 10_000;

function pad(args: readonly unknown[]): string {
  const value = text(args, 0, 'pad');
  if (value === '') return value;
  const [before, after] = [1, 2].map((at) =>
    ' '.repeat(Math.min(Math.max(integer(args, at, 'pad'), 0), LONGEST_PADDING)),
  );
  return `${before}${value}${after}`;
}

/** Go's `print`: a space between two neighbours of which neither is a text. */
function print(args: readonly unknown[]): string {
  return args.reduce((line: string, value, at) => {
    const isSpaced = at > 0 && typeof value !== 'string' && typeof args[at - 1] !== 'string';
    return `${line}${isSpaced ? ' ' : ''}${formatValue(value)}`;
  }, '');
}

function length([value]: readonly unknown[]): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (value instanceof Map) return value.size;
  throw wrongArgument('len', 'a text, a list or a map', value);
}

function index([first, ...keys]: readonly unknown[]): unknown {
  return keys.reduce((value, key) => {
    if (value instanceof TextMap) return value.get(String(key)) ?? '';
    if (value instanceof Map) return value.has(key) ? value.get(key) : NO_VALUE;
    if (Array.isArray(value)) return elementOf(value, key);
    throw wrongArgument('index', 'a map or a list', value);
  }, first);
}

function elementOf(items: readonly unknown[], key: unknown): unknown {
  if (typeof key !== 'number') throw wrongArgument('index', 'a number for a list', key);
  if (Number.isInteger(key) && key >= 0 && key < items.length) return items[key];
  throw templateError(`index ${key} is out of range: the list has ${items.length} elements`);
}

function slice(args: readonly unknown[]): unknown {
  const [value] = args;
  const items = typeof value === 'string' ? value : list(args, 0, 'slice');
  const from = args.length > 1 ? integer(args, 1, 'slice') : 0;
  const to = args.length > 2 ? integer(args, 2, 'slice') : items.length;
  if (from >= 0 && from <= to && to <= items.length) return items.slice(from, to);
  throw templateError(`slice: ${from} to ${to} is out of range, the length is ${items.length}`);
}

function isEqual(a: unknown, b: unknown): boolean {
  const isNil = (value: unknown): boolean =>
    value === null || value === undefined || value === NO_VALUE;
  if (isNil(a) || isNil(b)) return isNil(a) && isNil(b);
  if (typeof a === typeof b && typeof a !== 'object') return a === b;
  throw templateError(`${kindOf(a)} cannot be compared with ${kindOf(b)}`);
}

function compare([a, b]: readonly unknown[], name: string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  throw templateError(`${name} cannot compare ${kindOf(a)} with ${kindOf(b)}`);
}

/** Functions by name, with how many arguments they take: fewest and most. */
const TABLE: Readonly<Record<string, readonly [number, number, TemplateFunction]>> = {
  // `and` and `or` are known here and evaluated where their arguments are.
  and: [1, Infinity, (args) => args.find((value) => !isTrue(value)) ?? args.at(-1)],
  or: [1, Infinity, (args) => args.find(isTrue) ?? args.at(-1)],
  not: [1, 1, ([value]) => !isTrue(value)],
  len: [1, 1, length],
  index: [1, Infinity, index],
  slice: [1, 3, slice],
  eq: [2, Infinity, ([first, ...others]) => others.some((other) => isEqual(first, other))],
  ne: [2, 2, ([a, b]) => !isEqual(a, b)],
  lt: [2, 2, (args) => compare(args, 'lt') < 0],
  le: [2, 2, (args) => compare(args, 'le') <= 0],
  gt: [2, 2, (args) => compare(args, 'gt') > 0],
  ge: [2, 2, (args) => compare(args, 'ge') >= 0],
  print: [0, Infinity, print],
  printf: [1, Infinity, (args) => printf(text(args, 0, 'printf'), args.slice(1))],
  println: [0, Infinity, (args) => `${args.map(formatValue).join(' ')}\n`],
  json: [1, 1, ([value]) => jsonText(value)],
  join: [
    2,
    2,
    (args) =>
      list(args, 0, 'join')
        .map(formatValue)
        .join(text(args, 1, 'join')),
  ],
  split: [2, 2, (args) => text(args, 0, 'split').split(text(args, 1, 'split'))],
  upper: [1, 1, (args) => text(args, 0, 'upper').toUpperCase()],
  lower: [1, 1, (args) => text(args, 0, 'lower').toLowerCase()],
  title: [1, 1, (args) => title(text(args, 0, 'title'))],
  pad: [3, 3, pad],
  truncate: [
    2,
    2,
    (args) => {
      const shown = [...text(args, 0, 'truncate')];
      return shown.slice(0, Math.max(integer(args, 1, 'truncate'), 0)).join('');
    },
  ],
};

/** All functions. They throw EngineError `USAGE_INVALID` for arguments that do not fit. */
export const FUNCTIONS: TemplateFunctions = new Map(
  Object.entries(TABLE).map(([name, [fewest, most, apply]]) => [
    name,
    (args: readonly unknown[]) => {
      if (args.length >= fewest && args.length <= most) return apply(args);
      const expected = fewest === most ? String(fewest) : `at least ${fewest}`;
      throw templateError(`${quote(name)} takes ${expected} arguments, not ${args.length}`);
    },
  ]),
);

/** For the line of titles: all that make text of a text leave it as it is. */
export const TITLE_FUNCTIONS: TemplateFunctions = new Map(
  [...FUNCTIONS].map(([name, apply]) => [
    name,
    ['json', 'join', 'split', 'upper', 'lower', 'title', 'truncate', 'slice'].includes(name)
      ? ([value]: readonly unknown[]) => value
      : apply,
  ]),
);
