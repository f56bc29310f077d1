/** Go's `printf`, as far as templates of command lines need it. */
import { formatValue, kindOf } from './values.ts';

const VERB = /%([-+# 0]*)(\d*)(?:\.(\d*))?([a-zA-Z%])/g;
const WIDEST = 10_000;

/** Formats as fmt.Sprintf does; what does not fit its verb is marked in the text, as Go marks it. */
export function printf(format: string, args: readonly unknown[]): string {
  let used = 0;
  const text = format.replace(VERB, (_, flags: string, width: string, precision, verb: string) => {
    if (verb === '%') return '%';
    if (used >= args.length) return `%!${verb}(MISSING)`;
    const shown = formatVerb(args[used++], { verb, flags, precision });
    return padded(shown, flags, Math.min(Number(width), WIDEST));
  });
  const rest = args.slice(used).map((value) => `${goType(value)}=${formatValue(value)}`);
  return rest.length === 0 ? text : `${text}%!(EXTRA ${rest.join(', ')})`;
}

interface Verb {
  readonly verb: string;
  readonly flags: string;
  readonly precision: string | undefined;
}

function formatVerb(value: unknown, { verb, flags, precision }: Verb): string {
  const digits = precision === undefined ? undefined : Number(precision);
  const bad = `%!${verb}(${goType(value)}=${formatValue(value)})`;
  switch (verb) {
    case 'v':
      return typeof value === 'string'
        ? [...value].slice(0, digits).join('')
        : signed(formatValue(value), value, flags);
    case 's':
      return typeof value === 'number' || typeof value === 'boolean'
        ? bad
        : [...formatValue(value)].slice(0, digits).join('');
    case 'q':
      return quotedParts(value) ?? bad;
    case 'c':
      return typeof value === 'number' && value >= 0 && value <= 0x10ffff
        ? String.fromCodePoint(value)
        : bad;
    case 't':
      return typeof value === 'boolean' ? String(value) : bad;
    default:
      return formatNumeric(value, { verb, flags, precision }) ?? bad;
  }
}

function formatNumeric(value: unknown, { verb, flags, precision }: Verb): string | undefined {
  if (typeof value === 'string' && (verb === 'x' || verb === 'X')) {
    const hex = Buffer.from(value).toString('hex');
    return verb === 'x' ? hex : hex.toUpperCase();
  }
  if (typeof value !== 'number') return undefined;
  if (verb === 'f') {
    return signed(value.toFixed(Math.min(Number(precision ?? 6), 100)), value, flags);
  }
  const radix = { d: 10, x: 16, X: 16, o: 8, b: 2 }[verb];
  if (radix === undefined || !Number.isInteger(value)) return undefined;
  const text = BigInt(value).toString(radix);
  return signed(verb === 'X' ? text.toUpperCase() : text, value, flags);
}

function signed(text: string, value: unknown, flags: string): string {
  return flags.includes('+') && typeof value === 'number' && value >= 0 ? `+${text}` : text;
}

function padded(text: string, flags: string, width: number): string {
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!flags.includes('0')) return ' '.repeat(missing) + text;
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

/** A text in quotes, as strconv.Quote writes it: what cannot be printed is escaped. */
export function quoted(text: string): string {
  const inner = text.replace(/["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    const short = ESCAPES[character];
    if (short !== undefined) return short;
    if (code < 0x80) return `\\x${hex.padStart(2, '0')}`;
    return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
  });
  return `"${inner}"`;
}

/** Of a list each element. */
function quotedParts(value: unknown): string | undefined {
  if (typeof value === 'string') return quoted(value);
  if (!Array.isArray(value)) return undefined;
  return `[${value.map((each) => quotedParts(each) ?? formatValue(each)).join(' ')}]`;
}

function goType(value: unknown): string {
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64';
  return kindOf(value);
}
