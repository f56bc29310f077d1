/** Spans, sizes and commands in the words that docker uses. */
import { quoted } from './template/printf.ts';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY_HOURS = 24;
const MONTH_HOURS = 30 * DAY_HOURS;
const YEAR_HOURS = 365 * DAY_HOURS;

/** `Less than a second`, `5 seconds`, `About an hour`, `3 weeks`. */
export function spanWords(from: Date, to: Date): string {
  const seconds = Math.floor((to.getTime() - from.getTime()) / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds < MINUTE) return count(seconds, 'second');
  const minutes = Math.floor(seconds / MINUTE);
  if (minutes === 1) return 'About a minute';
  if (seconds < HOUR) return count(minutes, 'minute');
  const hours = Math.round(seconds / HOUR);
  if (hours === 1) return 'About an hour';
  if (hours < 2 * DAY_HOURS) return count(hours, 'hour');
  if (hours < 14 * DAY_HOURS) return count(Math.floor(hours / DAY_HOURS), 'day');
  if (hours < 2 * MONTH_HOURS) return count(Math.floor(hours / (7 * DAY_HOURS)), 'week');
  if (hours < 2 * YEAR_HOURS) return count(Math.floor(hours / MONTH_HOURS), 'month');
  return count(Math.floor(hours / YEAR_HOURS), 'year');
}

function count(number: number, unit: string): string {
  return `${number} ${unit}${number === 1 ? '' : 's'}`;
}

/** `2026-11-24 08:15:00 +0000 UTC`. */
export function timeWords(time: Date): string {
  const [date, clock = ''] = time.toISOString().split('T');
  return `${date} ${clock.slice(0, 8)} +0000 UTC`;
}

const DECIMAL_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];
const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** `0B`, `4.1kB`, `12.3MB`: three digits, steps of 1000. */
export function decimalSize(bytes: number): string {
  return sized(bytes, { step: 1000, units: DECIMAL_UNITS, digits: 3 });
}

/** `0B`, `4KiB`, `12.34MiB`: four digits, steps of 1024. */
export function binarySize(bytes: number): string {
  return sized(bytes, { step: 1024, units: BINARY_UNITS, digits: 4 });
}

interface SizeStyle {
  readonly step: number;
  readonly units: readonly string[];
  readonly digits: number;
}

function sized(bytes: number, { step, units, digits }: SizeStyle): string {
  let value = bytes;
  let unit = 0;
  while (value >= step && unit < units.length - 1) {
    value /= step;
    unit += 1;
  }
  return `${Number(value.toPrecision(digits))}${units[unit]}`;
}

/** At most `length` characters, the last one an ellipsis when something was cut. */
export function ellipsis(text: string, length: number): string {
  const characters = [...text];
  return characters.length > length ? `${characters.slice(0, length - 1).join('')}…` : text;
}

const LONGEST_COMMAND = 20;

/** The command of a container in quotes, arguments with spaces in quotes of their own. */
export function commandWords(command: readonly string[], isWhole: boolean): string {
  const [program = '', ...args] = command;
  const words = args.map((word) => (word.includes(' ') ? `'${word}'` : word));
  const line = [program, ...words].join(' ');
  return quoted(isWhole ? line : ellipsis(line, LONGEST_COMMAND));
}
