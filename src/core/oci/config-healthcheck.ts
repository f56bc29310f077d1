/** The HEALTHCHECK instruction of a Dockerfile, as an image config holds it. Pure. */
import { EngineError, quote } from '../errors.ts';
import type { JsonObject } from './json-document.ts';

const FLAG_FIELDS: ReadonlyMap<string, string> = new Map([
  ['interval', 'Interval'],
  ['timeout', 'Timeout'],
  ['start-period', 'StartPeriod'],
  ['start-interval', 'StartInterval'],
]);
const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};
const SHORTEST_NS = 1e6;

/**
 * The `Healthcheck` for `NONE`, or for `[--interval=D] [--timeout=D] [--start-period=D]
 * [--start-interval=D] [--retries=N] CMD command` in exec or shell form. Durations become
 * nanoseconds.
 *
 * @param execForm reads the words of an exec form, undefined for a shell form
 * @throws EngineError `USAGE_INVALID` naming the instruction
 */
export function healthcheck(
  rest: string,
  instruction: string,
  execForm: (text: string, instruction: string) => string[] | undefined,
): JsonObject {
  const fail = (why: string): EngineError =>
    new EngineError('USAGE_INVALID', `the change ${quote(instruction)} ${why}`);
  const fields: Record<string, unknown> = {};
  let text = rest;
  for (;;) {
    const [flag, name = '', value = ''] = /^--([a-z-]+)=(\S*)\s*/.exec(text) ?? [];
    if (flag === undefined) break;
    const field = name === 'retries' ? 'Retries' : FLAG_FIELDS.get(name);
    const number = name === 'retries' ? retries(value) : nanoseconds(value);
    if (field === undefined) throw fail(`has the unknown flag ${quote(`--${name}`)}`);
    if (number === undefined) throw fail(`has ${quote(value)} for ${quote(`--${name}`)}`);
    fields[field] = number;
    text = text.slice(flag.length);
  }
  if (/^none$/i.test(text)) return { Test: ['NONE'] };
  const command = /^cmd\s+([\s\S]+)$/i.exec(text)?.[1];
  if (command === undefined) throw fail('has neither NONE nor CMD and a command');
  const words = execForm(command, instruction);
  return { Test: words === undefined ? ['CMD-SHELL', command] : ['CMD', ...words], ...fields };
}

function retries(text: string): number | undefined {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}

/** A duration as Go writes it, such as `1m30s` or `1.5s`; at least a millisecond. */
function nanoseconds(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, number = '', unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(number) * (NANOSECONDS[unit] ?? 0);
  }
  const rounded = Math.round(total);
  return rounded >= SHORTEST_NS && Number.isSafeInteger(rounded) ? rounded : undefined;
}
