/** Spans of time, in Go's notation, which docker's flags have. */
import { quote } from '../../core/errors.ts';
import { usageError } from './usage-error.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g;

/** Milliseconds of a span such as `1m30s`, `500ms` or `0`; a number alone is seconds. */
export function parseDuration(text: string, flag: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const parts = [...text.matchAll(PART)];
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join('') === text;
  if (!isWhole) {
    throw usageError(`${flag} ${quote(text)} is not a span of time, such as 1m30s or 500ms.`);
  }
  return parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit ?? ''] ?? 0),
    0,
  );
}

/** A moment: RFC 3339, seconds since 1970, or a span that ends now. */
export function parseMoment(text: string, flag: string, now: Date): Date {
  if (/^\d{9,11}(\.\d{1,9})?$/.test(text)) return new Date(Number(text) * 1000);
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    // Without a zone it is this machine's, which Date assumes only if there is a time of day.
    const time = new Date(text.length === 10 ? `${text}T00:00:00` : text);
    if (!Number.isNaN(time.getTime())) return time;
  } else if (/^[\d.]+[a-zµ]/.test(text)) {
    return new Date(now.getTime() - parseDuration(text, flag));
  }
  throw usageError(
    `${flag} ${quote(text)} is neither a time such as 2026-02-03T04:05:06Z nor a span such as 10m.`,
  );
}
