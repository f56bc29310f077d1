/** Runs a parsed template on data. */
import { escapeControls } from '../../core/errors.ts';
import { isJsonObject } from '../../core/oci/json-document.ts';
import type { TemplateFunctions } from './functions.ts';
import type { Block, Command, Node, Operand, Pipeline, Term } from './nodes.ts';
import { templateError, unknownName } from './template-error.ts';
import { formatValue, isTrue, kindOf, NO_VALUE, sortedEntries } from './values.ts';

/** What a place of a template can see. Variables are changed where they were declared. */
interface Frame {
  readonly dot: unknown;
  readonly variables: readonly Variable[];
  readonly functions: TemplateFunctions;
  readonly output: string[];
}

interface Variable {
  readonly name: string;
  value: unknown;
}

type Flow = 'on' | 'break' | 'continue';

/**
 * The text that the template makes of `data`. Control characters in what is inserted are escaped, but
 * for tabs and ends of lines.
 *
 * @throws EngineError `USAGE_INVALID` when the template does not fit the data
 */
export function evaluateTemplate(
  nodes: readonly Node[],
  data: unknown,
  functions: TemplateFunctions,
): string {
  const output: string[] = [];
  const variables = [{ name: '$', value: data }];
  runNodes(nodes, { dot: data, variables, functions, output });
  return output.join('');
}

function runNodes(nodes: readonly Node[], outer: Frame): Flow {
  let frame = outer;
  for (const node of nodes) {
    if (node.kind === 'text') {
      frame.output.push(node.text);
    } else if (node.kind === 'action') {
      const value = pipelineValue(node.pipeline, frame);
      if (node.pipeline.names.length === 0) frame.output.push(shown(value));
      frame = declare(frame, node.pipeline, [value]);
    } else if ('body' in node) {
      const flow = runBlock(node, frame);
      if (flow !== 'on') return flow;
    } else {
      return node.kind;
    }
  }
  return 'on';
}

function shown(value: unknown): string {
  return formatValue(value).replace(/[^\t\n]+/g, escapeControls);
}

function runBlock(block: Block, frame: Frame): Flow {
  const value = pipelineValue(block.pipeline, frame);
  if (block.kind === 'range') return runRange(block, value, frame);
  const inner = declare(frame, block.pipeline, [value]);
  if (!isTrue(value)) return runNodes(block.otherwise, inner);
  return runNodes(block.body, block.kind === 'with' ? { ...inner, dot: value } : inner);
}

function runRange(block: Block, value: unknown, frame: Frame): Flow {
  const items = itemsOf(value);
  if (items.length === 0) return runNodes(block.otherwise, frame);
  const { names } = block.pipeline;
  for (const [key, item] of items) {
    const values = names.length === 2 ? [key, item] : [item];
    const flow = runNodes(block.body, { ...declare(frame, block.pipeline, values), dot: item });
    if (flow === 'break') break;
  }
  return 'on';
}

const LONGEST_COUNT = 1_000_000;

function itemsOf(value: unknown): readonly (readonly [unknown, unknown])[] {
  if (value === null || value === undefined || value === NO_VALUE) return [];
  if (Array.isArray(value)) return [...value.entries()];
  if (value instanceof Map) return sortedEntries(value);
  if (typeof value === 'number' && Number.isInteger(value) && value <= LONGEST_COUNT) {
    return Array.from({ length: Math.max(value, 0) }, (_, at) => [at, at]);
  }
  throw templateError(`range cannot go over ${kindOf(value)}`);
}

/** Sets what a pipeline assigns, or adds what it declares. */
function declare(frame: Frame, pipeline: Pipeline, values: readonly unknown[]): Frame {
  const { names, isAssignment } = pipeline;
  if (names.length === 0) return frame;
  if (!isAssignment) {
    const added = names.map((name, at) => ({ name, value: values[at] }));
    return { ...frame, variables: [...frame.variables, ...added] };
  }
  for (const [at, name] of names.entries()) {
    const variable = frame.variables.findLast((each) => each.name === name);
    if (variable !== undefined) variable.value = values[at];
  }
  return frame;
}

/** A command's result is the last argument of the next one. */
function pipelineValue({ commands }: Pipeline, frame: Frame): unknown {
  const [first, ...others] = commands;
  return others.reduce(
    (value: unknown, command) => resultOf(command, frame, [value]),
    first === undefined ? NO_VALUE : resultOf(first, frame, []),
  );
}

function resultOf(command: Command, frame: Frame, piped: readonly unknown[]): unknown {
  const { head, args } = command;
  const { operand, fields } = head;
  if (operand.kind === 'function' && fields.length === 0) {
    if (operand.name === 'and' || operand.name === 'or') {
      return shortCircuit(operand.name, command, frame, piped);
    }
    return call(operand.name, frame, [...args.map((term) => termValue(term, frame)), ...piped]);
  }
  const given = [...args.map((term) => termValue(term, frame)), ...piped];
  return termValue(head, frame, given);
}

/** The first argument that decides, or the last; those behind it are not evaluated. */
function shortCircuit(
  name: 'and' | 'or',
  { args }: Command,
  frame: Frame,
  piped: readonly unknown[],
): unknown {
  let value: unknown = NO_VALUE;
  for (const term of args) {
    value = termValue(term, frame);
    if (isTrue(value) === (name === 'or')) return value;
  }
  if (args.length === 0 && piped.length === 0) return call(name, frame, []);
  return piped.length > 0 ? piped[0] : value;
}

function call(name: string, { functions }: Frame, args: readonly unknown[]): unknown {
  const apply = functions.get(name);
  if (apply === undefined) throw unknownName('function', name, [...functions.keys()]);
  return apply(args);
}

/** `args` go to the last field, which must be a method if there are any. */
function termValue(
  { operand, fields }: Term,
  frame: Frame,
  args: readonly unknown[] = [],
): unknown {
  const start = operandValue(operand, frame);
  if (fields.length === 0) {
    if (args.length === 0) return start;
    throw templateError('what is no function was given arguments');
  }
  return fields.reduce(
    (value, name, at) => fieldOf(value, name, at === fields.length - 1 ? args : []),
    start,
  );
}

function operandValue(operand: Operand, frame: Frame): unknown {
  switch (operand.kind) {
    case 'dot':
      return frame.dot;
    case 'nil':
      return null;
    case 'literal':
      return operand.value;
    case 'variable':
      return frame.variables.findLast(({ name }) => name === operand.name)?.value;
    case 'function':
      return call(operand.name, frame, []);
    case 'pipeline':
      return pipelineValue(operand.pipeline, frame);
  }
}

function fieldOf(value: unknown, name: string, args: readonly unknown[]): unknown {
  if (value === NO_VALUE) return NO_VALUE;
  if (value === null || value === undefined) {
    throw templateError(
      `.${name} cannot be looked up: what it should be a part of is not there`,
      'Ask first, as in {{with .State.Health}}{{.Status}}{{end}}.',
    );
  }
  if (value instanceof Map) {
    if (args.length > 0) throw templateError(`.${name} is no function`);
    return value.has(name) ? value.get(name) : NO_VALUE;
  }
  if (!isJsonObject(value)) throw templateError(`.${name} cannot be looked up in ${kindOf(value)}`);
  if (!Object.hasOwn(value, name)) throw unknownName('field', `.${name}`, fieldNames(value));
  const field = value[name];
  if (typeof field === 'function') return field(...args);
  if (args.length > 0) throw templateError(`.${name} is no function`);
  return field;
}

function fieldNames(value: object): string[] {
  return Object.keys(value).map((name) => `.${name}`);
}
