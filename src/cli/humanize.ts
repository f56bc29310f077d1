/** Sizes and times in words, spelled as rkt spells them. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** `5B`, `4.0KiB`, `44MiB`: one decimal below ten, none above. */
export function formatSize(bytes: number): string {
  if (bytes < 10) return `${bytes}B`;
  const exponent = Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  const value = Math.floor((bytes / 1024 ** exponent) * 10 + 0.5) / 10;
  return `${value < 10 && exponent > 0 ? value.toFixed(1) : value.toFixed(0)}${UNITS[exponent]}`;
}

const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
const MONTH = 30 * DAY;
const YEAR = 12 * MONTH;

const SPANS: readonly (readonly [number, string])[] = [
  [YEAR, 'year'],
  [MONTH, 'month'],
  [WEEK, 'week'],
  [DAY, 'day'],
  [HOUR, 'hour'],
  [MINUTE, 'minute'],
  [SECOND, 'second'],
];

/** `now`, `2 minutes ago`, `1 hour from now`. */
export function formatAge(time: Date, now: Date): string {
  const seconds = Math.floor((now.getTime() - time.getTime()) / 1000);
  const span = SPANS.find(([length]) => Math.abs(seconds) >= length);
  if (span === undefined) return 'now';
  const [length, unit] = span;
  const count = Math.floor(Math.abs(seconds) / length);
  return `${count} ${unit}${count === 1 ? '' : 's'} ${seconds < 0 ? 'from now' : 'ago'}`;
}

/** `2026-11-24 08:15:00.25 +0000 UTC`: the long form, with the zeros of milliseconds trimmed. */
export function formatLongTime(time: Date): string {
  const [date, clock = ''] = time.toISOString().split('T');
  return `${date} ${clock.replace(/\.?0*Z$/, '')} +0000 UTC`;
}
