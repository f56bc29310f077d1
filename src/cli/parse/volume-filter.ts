/** `--filter` of `volume list` and `volume prune`, in docker's notation. */
import { quote } from '../../core/errors.ts';
import { usageError } from './usage-error.ts';

/** What filters look at. */
export interface FilteredVolume {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent where it is known that nobody uses it. */
  readonly usedBy?: readonly string[];
}

type Test = (volume: FilteredVolume) => boolean;

/**
 * One predicate out of all filters of `volume list`: of several names one must fit, of labels all.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export function parseListFilters(texts: readonly string[]): Test {
  const names: Test[] = [];
  const others: Test[] = [];
  for (const text of texts) {
    const { key, value } = splitFilter(text);
    if (key === 'name') names.push(({ name }) => name.includes(value));
    else if (key === 'label') others.push(labelTest(value));
    else if (key === 'driver') others.push(() => value === 'local');
    else if (key === 'dangling') others.push(danglingTest(value));
    else throw unknown(text, 'dangling, name, label and driver');
  }
  return (volume) =>
    (names.length === 0 || names.some((test) => test(volume))) &&
    others.every((test) => test(volume));
}

/** What the filters of `volume prune` say. */
export interface PruneFilters {
  /** `all=true`: named volumes, too. */
  readonly all: boolean;
  readonly isWanted: Test;
}

/** All filters of `volume prune` together. @throws EngineError `USAGE_INVALID` */
export function parsePruneFilters(texts: readonly string[]): PruneFilters {
  const tests: Test[] = [];
  let all = false;
  for (const text of texts) {
    const { key, value } = splitFilter(text);
    if (key === 'label') tests.push(labelTest(value));
    else if (key === 'label!') {
      const test = labelTest(value);
      tests.push((volume) => !test(volume));
    } else if (key === 'all') all = requireBoolean(value, text);
    else throw unknown(text, 'label, label! and all');
  }
  return { all, isWanted: (volume) => tests.every((test) => test(volume)) };
}

function labelTest(value: string): Test {
  const separator = value.indexOf('=');
  const key = separator < 0 ? value : value.slice(0, separator);
  return ({ labels }) =>
    Object.hasOwn(labels, key) && (separator < 0 || labels[key] === value.slice(separator + 1));
}

function danglingTest(value: string): Test {
  const isWanted = requireBoolean(value, `dangling=${value}`);
  return ({ usedBy = [] }) => (usedBy.length === 0) === isWanted;
}

function requireBoolean(value: string, text: string): boolean {
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw usageError(`--filter ${quote(text)}: expected true or false.`);
}

function splitFilter(text: string): { readonly key: string; readonly value: string } {
  const separator = text.indexOf('=');
  if (separator < 1) throw usageError(`--filter ${quote(text)} is not of the form KEY=VALUE.`);
  return { key: text.slice(0, separator), value: text.slice(separator + 1) };
}

function unknown(text: string, keys: string): Error {
  return usageError(`--filter ${quote(text)} is not known.`, { hint: `Filters are ${keys}.` });
}
