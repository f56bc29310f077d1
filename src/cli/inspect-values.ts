/** Values of `inspect` as Go has them. */
import { constants } from 'node:os';

/** A set, as Go writes one: a map to empty structures; null when there is nothing in it. */
export function setOf(members: readonly string[]): ReadonlyMap<string, object> | null {
  return members.length === 0 ? null : new Map(members.map((member) => [member, {}]));
}

/** A list, as Go writes an empty one. */
export function listOrNull<T>(items: readonly T[] | undefined): readonly T[] | null {
  return items === undefined || items.length === 0 ? null : items;
}

/** The name of a signal such as `SIGTERM`; the number of one that has none. */
export function signalName(signal: number | undefined): string | undefined {
  if (signal === undefined) return undefined;
  const named = Object.entries(constants.signals).find(([, number]) => number === signal);
  return named?.[0] ?? String(signal);
}
