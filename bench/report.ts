/** What was measured, as a table for people and as JSON for programs. */
import type { Measured } from './measure.ts';

/** One table. Ratios are of the first contender's median to each other's, in the same run. */
export interface Section {
  readonly title: string;
  readonly measured: readonly Measured[];
  /** Whose median the others are compared with. */
  readonly baseline: string;
}

/** Prints a section with times in seconds or, when all are short, in milliseconds. */
export function printSection({ title, measured, baseline }: Section): void {
  const base = measured.find(({ name }) => name === baseline)?.median.seconds ?? Number.NaN;
  const isShort = measured.every(({ median }) => median.seconds < 1);
  const time = (seconds: number): string =>
    isShort ? `${(seconds * 1000).toFixed(1)} ms` : `${seconds.toFixed(2)} s`;
  const rows = [
    ['', 'median', 'fastest', 'slowest', 'peak memory', `to ${baseline}`],
    ...measured.map(({ name, median, fastestSeconds, slowestSeconds }) => [
      name,
      time(median.seconds),
      time(fastestSeconds),
      time(slowestSeconds),
      `${median.peakMiB.toFixed(0)} MiB`,
      (median.seconds / base).toFixed(2),
    ]),
  ];
  console.log(
    `\n${title} (${measured[0]?.rounds ?? 0} rounds in turns, after one that is dropped)`,
  );
  for (const row of rows) console.log(columns(row, rows));
}

function columns(row: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = row.map((_, column) =>
    Math.max(...rows.map((other) => (other[column] ?? '').length)),
  );
  return row
    .map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    )
    .join('  ');
}
