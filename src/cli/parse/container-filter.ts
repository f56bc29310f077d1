/** `--filter` of `list` and `ps`, in docker's notation. */
import { EngineError, quote } from '../../core/errors.ts';
import { formatReference, parseReference } from '../../core/oci/reference.ts';
import type { ContainerInfo } from '../../core/operations/list-containers.ts';
import { stateWord } from '../container-words.ts';
import { usageError } from './usage-error.ts';

/** Filters that were read. */
export interface ContainerFilters {
  /** Images of `ancestor=`, as typed: who filters looks up what is made from them. */
  readonly ancestors: readonly string[];
  /** Whether mounts are looked at. */
  readonly needsMounts: boolean;
  /** Whether containers that do not run are meant, although not all were asked for. */
  readonly wantsAll: boolean;
  /**
   * Those of `containers`, which are all there are, oldest first, that fit. Of several values of one
   * filter one must fit, of labels all.
   *
   * @param descendants ids of the images that `ancestors` mean
   * @throws EngineError `CONTAINER_NOT_FOUND` for one that `before` or `since` name
   */
  apply(
    containers: readonly ContainerInfo[],
    descendants: ReadonlySet<string>,
  ): readonly ContainerInfo[];
}

type Test = (container: ContainerInfo) => boolean;

const KEYS = [
  ...['ancestor', 'before', 'exited', 'health', 'id', 'label', 'name', 'network', 'since'],
  ...['status', 'volume'],
];
const STATES = ['created', 'restarting', 'running', 'removing', 'paused', 'exited', 'dead'];
const HEALTHS = ['starting', 'healthy', 'unhealthy', 'none'];

/** Reads all filters. @throws EngineError `USAGE_INVALID` */
export function parseContainerFilters(texts: readonly string[]): ContainerFilters {
  const byKey = Map.groupBy(texts.map(splitFilter), ({ key }) => key);
  const values = (key: string): string[] => (byKey.get(key) ?? []).map(({ value }) => value);
  const tests: Test[] = [
    ...anyOf(values('id').map((value) => patternTest(value, ({ id }) => [id]))),
    ...anyOf(values('name').map((value) => patternTest(value, namesOf))),
    ...values('label').map(labelTest),
    ...anyOf(values('status').map(statusTest)),
    ...anyOf(values('exited').map(exitedTest)),
    ...anyOf(values('health').map(healthTest)),
    ...anyOf(values('volume').map(volumeTest)),
    ...anyOf(
      values('network').map(
        (value) =>
          ({ networks }) =>
            networks.includes(value),
      ),
    ),
  ];
  const ancestors = values('ancestor');
  return {
    ancestors,
    needsMounts: byKey.has('volume'),
    wantsAll: byKey.has('status'),
    apply: (containers, descendants) => {
      const marks = [...values('before'), ...values('since')];
      const at = new Map(marks.map((mark) => [mark, positionOf(containers, mark)]));
      const isBetween = (index: number): boolean =>
        values('before').every((mark) => index < (at.get(mark) ?? 0)) &&
        values('since').every((mark) => index > (at.get(mark) ?? 0));
      const fits = [...tests, ancestorTest(ancestors, descendants)];
      return containers.filter(
        (container, index) => isBetween(index) && fits.every((test) => test(container)),
      );
    },
  };
}

function splitFilter(text: string): { readonly key: string; readonly value: string } {
  const separator = text.indexOf('=');
  if (separator < 1) throw usageError(`--filter ${quote(text)} is not of the form KEY=VALUE.`);
  const key = text.slice(0, separator);
  if (KEYS.includes(key)) return { key, value: text.slice(separator + 1) };
  throw usageError(`--filter ${quote(text)} is not known.`, {
    hint: `Filters are ${KEYS.join(', ')}.`,
  });
}

/** One test out of those of one key; none when the key was not given. */
function anyOf(tests: readonly Test[]): Test[] {
  return tests.length === 0 ? [] : [(container) => tests.some((test) => test(container))];
}

function namesOf({ name }: ContainerInfo): string[] {
  return name === undefined ? [] : [name, `/${name}`];
}

/** As for docker, what is typed is a regular expression that may fit anywhere. */
function patternTest(value: string, textsOf: (container: ContainerInfo) => string[]): Test {
  let pattern: RegExp;
  try {
    pattern = new RegExp(value, 'u');
  } catch (cause) {
    throw usageError(`--filter: ${quote(value)} is not a regular expression.`, { cause });
  }
  return (container) => textsOf(container).some((text) => pattern.test(text));
}

function labelTest(value: string): Test {
  const separator = value.indexOf('=');
  const key = separator < 0 ? value : value.slice(0, separator);
  return ({ labels }) =>
    Object.hasOwn(labels, key) && (separator < 0 || labels[key] === value.slice(separator + 1));
}

function statusTest(value: string): Test {
  requireOneOf(`status=${value}`, value, STATES);
  return (container) => stateWord(container) === value;
}

function healthTest(value: string): Test {
  requireOneOf(`health=${value}`, value, HEALTHS);
  return ({ health = 'none' }) => health === value;
}

function requireOneOf(text: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return;
  throw usageError(`--filter ${quote(text)}: expected one of ${known.join(', ')}.`);
}

function exitedTest(value: string): Test {
  if (!/^-?\d{1,9}$/.test(value)) {
    throw usageError(`--filter ${quote(`exited=${value}`)}: expected an exit status.`);
  }
  return ({ phase, exitStatus }) => phase === 'exited' && exitStatus === Number(value);
}

function volumeTest(value: string): Test {
  return ({ mounts = [] }) =>
    mounts.some(({ name, source, destination }) => [name, source, destination].includes(value));
}

function ancestorTest(ancestors: readonly string[], descendants: ReadonlySet<string>): Test {
  if (ancestors.length === 0) return () => true;
  const names = ancestors.flatMap(canonicalName);
  return ({ imageId = '', image = '' }) => descendants.has(imageId) || names.includes(image);
}

/** The name of an image that may be gone from the store, or mean another one by now. */
function canonicalName(input: string): string[] {
  try {
    return [input, formatReference(parseReference(input))];
  } catch (error) {
    if (error instanceof EngineError && error.code === 'REFERENCE_INVALID') return [input];
    throw error;
  }
}

function positionOf(containers: readonly ContainerInfo[], input: string): number {
  const named = containers.findIndex(({ id, name }) => name === input || id === input);
  const matches = containers.filter(({ id }) => id.startsWith(input));
  const [only] = matches;
  if (named >= 0) return named;
  if (only !== undefined && matches.length === 1) return containers.indexOf(only);
  throw new EngineError('CONTAINER_NOT_FOUND', `there is no container ${quote(input)}`, {
    hint: 'Run "dray list" to see the containers.',
  });
}
