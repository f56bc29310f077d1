/** What `--format` of a command makes of its results, as docker reads that flag. */
import { tableLines } from '../table.ts';
import { evaluateTemplate } from './evaluate.ts';
import { FUNCTIONS, TITLE_FUNCTIONS } from './functions.ts';
import type { Node } from './nodes.ts';
import { parseTemplate } from './parser.ts';
import { jsonText } from './values.ts';

/** A parsed template. Each call makes the text of one result. */
export type Template = (data: unknown) => string;

/** A template of `--format` that stands as it is. @throws EngineError `USAGE_INVALID` */
export function compileTemplate(text: string): Template {
  const nodes = parseTemplate(text, [...FUNCTIONS.keys()]);
  return (data) => evaluateTemplate(nodes, data, FUNCTIONS);
}

/**
 * `--format` of `info` and `version`: `json` or a template. Undefined
 * when there is none.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export function dataPrinter(format: string | undefined): Template | undefined {
  if (format === undefined || format === '') return undefined;
  return format === 'json' ? (data) => jsonText(data) : compileTemplate(format);
}

/** A row of a list: fields as docker names them. Texts have no control characters. */
export type FormatRow = Readonly<Record<string, unknown>>;

/** `--format` of a list. */
export interface ListFormat {
  /** Whether the format could show this field. */
  uses(field: string): boolean;
  /** The lines for the rows. `titles` has a title for each field. */
  lines(rows: readonly FormatRow[], titles: FormatRow): Promise<string[]>;
}

/**
 * Reads `--format` of a list: `json`, a template for each row, or `table` and a template, which gets
 * a line of titles and columns. `\t` and `\n` are a tab and an end of line, as for docker. Undefined
 * for `table` alone, which is the command's own table.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export function parseListFormat(text: string): ListFormat | undefined {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed === 'table') return undefined;
  if (trimmed === 'json') {
    return { uses: () => true, lines: async (rows) => rows.map((row) => jsonText(row)) };
  }
  const isTable = /^table[\s\\{]/.test(trimmed);
  const template = isTable ? trimmed.slice('table'.length).trimStart() : trimmed;
  const nodes = withEscapes(parseTemplate(template, [...FUNCTIONS.keys()]));
  return {
    uses: (field) =>
      /\{\{[^}]*(json|range|with|\$)/.test(template) || template.includes(`.${field}`),
    lines: async (rows, titles) => {
      const texts = rows.map((row) => evaluateTemplate(nodes, row, FUNCTIONS));
      if (!isTable) return texts;
      const all = [evaluateTemplate(nodes, titles, TITLE_FUNCTIONS), ...texts];
      return await alignTabs(all.flatMap((each) => each.split('\n')));
    },
  };
}

/** Columns out of lines whose cells are parted by tabs. */
async function alignTabs(lines: readonly string[]): Promise<string[]> {
  const rows = lines.map((line) => line.split('\t'));
  const columns = Math.max(...rows.map(({ length }) => length));
  return await tableLines(rows.map((row) => [...row, ...Array(columns - row.length).fill('')]));
}

/** Inside of actions Go's own literals have their escapes. */
function withEscapes(nodes: readonly Node[]): Node[] {
  return nodes.map((node) => {
    if (node.kind === 'text') {
      return { kind: 'text', text: node.text.replaceAll('\\t', '\t').replaceAll('\\n', '\n') };
    }
    if (!('body' in node)) return node;
    return { ...node, body: withEscapes(node.body), otherwise: withEscapes(node.otherwise) };
  });
}
