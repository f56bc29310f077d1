/** Columns for people: no borders, no colour, nothing cut, the same to a pipe as to a terminal. */
import { escapeControls } from '../core/errors.ts';

const NO_BORDERS = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left'],
    ...['bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
  ].map((part) => [part, '']),
);

/** Lines of a table; cells may come from outside. Empty when there are no rows. */
export async function tableLines(rows: readonly (readonly string[])[]): Promise<string[]> {
  if (rows.length === 0) return [];
  const { default: Table } = await import('cli-table3');
  const table = new Table({
    chars: NO_BORDERS,
    style: { 'padding-left': 0, 'padding-right': 2, head: [], border: [] },
  });
  table.push(...rows.map((row) => row.map(escapeControls)));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}
