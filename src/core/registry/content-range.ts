/** `Content-Range` (RFC 9110, 14.4) of an answer to `Range: bytes=N-`. */

/** The bytes that an answer has, from `start` to `end` inclusive, out of `total` if it says so. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
  readonly total: number | undefined;
}

/** Parses `bytes START-END/TOTAL`, where TOTAL may be `*`; undefined for anything else. */
export function parseContentRange(value: string | undefined): ContentRange | undefined {
  const match = /^bytes ([0-9]{1,16})-([0-9]{1,16})\/([0-9]{1,16}|\*)$/i.exec(value?.trim() ?? '');
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]);
  const total = match[3] === '*' ? undefined : Number(match[3]);
  const isOrdered = start <= end && (total === undefined || end < total);
  return isOrdered ? { start, end, total } : undefined;
}
