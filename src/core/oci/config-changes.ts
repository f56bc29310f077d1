/**
 * Dockerfile instructions that change an image config without running anything: what `--change` of
 * `commit` and of `image import` takes.
 *
 * They work on the config as plain JSON, so that fields unknown to us are kept. Variables are
 * replaced by the config's own `Env`, as docker does, in all instructions but CMD, ENTRYPOINT,
 * HEALTHCHECK and ONBUILD. Pure.
 */
import { EngineError, quote } from '../errors.ts';
import { healthcheck } from './config-healthcheck.ts';
import { expandWord, splitWords } from './instruction-words.ts';
import { isJsonObject, type JsonObject } from './json-document.ts';
import { parseSignal } from './signals.ts';

/** A whole image config document (image-spec `config.md`) as plain JSON. */
export type ImageConfigObject = JsonObject;

/**
 * The image config with one instruction applied; `config` itself is not changed.
 *
 * Instructions: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME
 * and WORKDIR, in any case, each as in a Dockerfile; CMD, ENTRYPOINT and HEALTHCHECK CMD in exec
 * form (a JSON array) or in shell form, which is run by the config's `Shell`, else by `/bin/sh -c`.
 *
 * @throws EngineError `USAGE_INVALID` naming the instruction
 */
export function applyConfigChange(
  config: ImageConfigObject,
  instruction: string,
): ImageConfigObject {
  const [, keyword = '', rest = ''] = /^\s*(\S+)\s*([\s\S]*?)\s*$/.exec(instruction) ?? [];
  const apply = INSTRUCTIONS.get(keyword.toUpperCase());
  if (apply === undefined) {
    throw new EngineError(
      'USAGE_INVALID',
      `${quote(instruction)} is no change of an image; expected one of ${[...INSTRUCTIONS.keys()].join(', ')}`,
      { hint: `Write it as in a Dockerfile: --change 'CMD ["/bin/sh"]'` },
    );
  }
  if (rest === '') throw wrong(instruction, 'has no argument');
  const defaults = isJsonObject(config.config) ? config.config : {};
  const changed = apply({ defaults, rest, instruction, variables: variablesOf(defaults) });
  return { ...config, config: { ...defaults, ...changed } };
}

/**
 * The image config with all instructions applied in order. As in a Dockerfile, an ENTRYPOINT drops
 * the Cmd that was there before, unless a CMD came before it in the list: that was written for
 * another program.
 *
 * @throws EngineError `USAGE_INVALID` naming the instruction
 */
export function applyConfigChanges(
  config: ImageConfigObject,
  instructions: readonly string[],
): ImageConfigObject {
  let changed = config;
  let isCommandSet = false;
  for (const instruction of instructions) {
    changed = applyConfigChange(changed, instruction);
    isCommandSet ||= /^\s*cmd\s/i.test(instruction);
    if (/^\s*entrypoint\s/i.test(instruction) && !isCommandSet) changed = withoutCommand(changed);
  }
  return changed;
}

function withoutCommand(config: ImageConfigObject): ImageConfigObject {
  if (!isJsonObject(config.config)) return config;
  const { Cmd: _dropped, ...defaults } = config.config;
  return { ...config, config: defaults };
}

interface Change {
  /** The `config` property of the document. */
  readonly defaults: JsonObject;
  /** What follows the keyword; not empty. */
  readonly rest: string;
  readonly instruction: string;
  readonly variables: ReadonlyMap<string, string>;
}

const INSTRUCTIONS: ReadonlyMap<string, (change: Change) => JsonObject> = new Map([
  ['CMD', (change) => ({ Cmd: command(change) })],
  ['ENTRYPOINT', (change) => ({ Entrypoint: command(change) })],
  ['ENV', environment],
  ['EXPOSE', exposedPorts],
  [
    'HEALTHCHECK',
    ({ rest, instruction }) => ({ Healthcheck: healthcheck(rest, instruction, execForm) }),
  ],
  ['LABEL', labels],
  ['ONBUILD', trigger],
  ['STOPSIGNAL', stopSignal],
  ['USER', (change) => ({ User: single(change) })],
  ['VOLUME', volumes],
  ['WORKDIR', workingDirectory],
]);

function command(change: Change): string[] {
  const words = execForm(change.rest, change.instruction);
  if (words !== undefined) return words;
  const { Shell: shell } = change.defaults;
  const isShell = Array.isArray(shell) && shell.every((word) => typeof word === 'string');
  return [...(isShell && shell.length > 0 ? shell : ['/bin/sh', '-c']), change.rest];
}

/**
 * The words of an exec form; undefined for a shell form, which is also what is no JSON.
 *
 * @throws EngineError `USAGE_INVALID` for an array of anything but strings
 */
function execForm(text: string, instruction: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // As in a Dockerfile: what is no JSON is left to the shell.
    return undefined;
  }
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (items.every((item) => typeof item === 'string')) return [...items];
  throw wrong(instruction, 'has an array of anything but strings');
}

function environment(change: Change): JsonObject {
  const merged = new Map(change.variables);
  for (const [name, value] of pairs(change)) merged.set(name, value);
  return { Env: Array.from(merged, ([name, value]) => `${name}=${value}`) };
}

function labels(change: Change): JsonObject {
  return { Labels: { ...objectAt(change, 'Labels'), ...withoutPrototype(pairs(change)) } };
}

/** `NAME=value ...`, or the old form `NAME value with spaces`. */
function pairs(change: Change): (readonly [string, string])[] {
  const { rest, instruction, variables } = change;
  const words = splitWords(rest);
  const [first = ''] = words;
  const texts = first.includes('=')
    ? words.map((word) => /^([^=]*)=([\s\S]*)$/.exec(word))
    : [/^(\S+)\s+([\s\S]+)$/.exec(rest)];
  return texts.map((match) => {
    const name = expandWord(match?.[1] ?? '', variables);
    if (match === null || name === '') throw wrong(instruction, 'is not of the form NAME=value');
    if (name.includes('\0') || match[0].includes('\0')) throw wrong(instruction, 'holds a NUL');
    return [name, expandWord(match[2] ?? '', variables)] as const;
  });
}

const LAST_PORT = 65_535;

function exposedPorts(change: Change): JsonObject {
  const ports = words(change).flatMap((word) => {
    const [, first = '', last = first, protocol = 'tcp'] =
      /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(word) ?? [];
    const from = Number(first);
    const to = Number(last);
    if (first === '' || from < 1 || to < from || to > LAST_PORT) {
      throw wrong(
        change.instruction,
        `has the port ${quote(word)}; expected PORT[-PORT][/PROTOCOL]`,
      );
    }
    const numbers = Array.from({ length: to - from + 1 }, (_, at) => from + at);
    return numbers.map((number) => [`${number}/${protocol.toLowerCase()}`, {}] as const);
  });
  return { ExposedPorts: { ...objectAt(change, 'ExposedPorts'), ...withoutPrototype(ports) } };
}

function volumes(change: Change): JsonObject {
  const paths = execForm(change.rest, change.instruction) ?? words(change);
  if (paths.length === 0 || paths.includes('')) throw wrong(change.instruction, 'names no path');
  const added = withoutPrototype(paths.map((path) => [path, {}] as const));
  return { Volumes: { ...objectAt(change, 'Volumes'), ...added } };
}

function workingDirectory(change: Change): JsonObject {
  const { WorkingDir: current } = change.defaults;
  const typed = single(change);
  const base = typed.startsWith('/') || typeof current !== 'string' ? '' : current;
  const names: string[] = [];
  for (const name of `${base}/${typed}`.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return { WorkingDir: `/${names.join('/')}` };
}

function stopSignal(change: Change): JsonObject {
  const text = single(change);
  if (parseSignal(text) === undefined) {
    throw wrong(change.instruction, `names the unknown signal ${quote(text)}`);
  }
  return { StopSignal: text };
}

function trigger({ defaults, rest, instruction }: Change): JsonObject {
  const keyword = /^\S+/.exec(rest)?.[0].toUpperCase() ?? '';
  if (['ONBUILD', 'FROM', 'MAINTAINER'].includes(keyword)) {
    throw wrong(instruction, `has ${keyword}, which cannot be a trigger`);
  }
  const { OnBuild: present } = defaults;
  const earlier: readonly unknown[] = Array.isArray(present) ? present : [];
  return { OnBuild: [...earlier, rest] };
}

/** The one argument, variables replaced. */
function single({ rest, instruction, variables }: Change): string {
  const text = expandWord(rest, variables);
  if (text === '' || text.includes('\0')) throw wrong(instruction, 'has no argument');
  return text;
}

function words({ rest, variables }: Change): string[] {
  return splitWords(rest)
    .map((word) => expandWord(word, variables))
    .filter((word) => word !== '');
}

function variablesOf({ Env }: JsonObject): Map<string, string> {
  const entries: readonly unknown[] = Array.isArray(Env) ? Env : [];
  return new Map(
    entries.flatMap((entry): [string, string][] => {
      const match = typeof entry === 'string' ? /^([^=]+)=([\s\S]*)$/.exec(entry) : null;
      return match === null ? [] : [[match[1] ?? '', match[2] ?? '']];
    }),
  );
}

function objectAt({ defaults }: Change, key: string): JsonObject {
  const value = defaults[key];
  return isJsonObject(value) ? value : {};
}

function withoutPrototype<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  const object: Record<string, T> = Object.create(null);
  for (const [key, value] of entries) object[key] = value;
  return object;
}

function wrong(instruction: string, why: string): EngineError {
  return new EngineError('USAGE_INVALID', `the change ${quote(instruction)} ${why}`);
}
