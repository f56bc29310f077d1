/** What an unexpected status means, in dray's words first and the registry's own words after them. */
import { EngineError, type EngineErrorOptions, type ErrorCode, quote } from '../errors.ts';
import { redactUrl } from './endpoint.ts';
import type { Answer } from './exchange.ts';
import { parseRetryAfter, TransientError } from './retry.ts';

const MAX_ERROR_BODY = 64 * 1024;
const MOST_ERRORS = 3;
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/**
 * The error for an answer; its body is read (64 KiB at most) and closed.
 *
 * @param doing what was attempted, such as `fetch manifest "…"`.
 * @returns a `TransientError` where another attempt may help.
 */
export async function statusError(answer: Answer, doing: string): Promise<EngineError> {
  const { status, url } = answer;
  const words = await registryWords(answer);
  const message = `cannot ${doing}: ${redactUrl(url)} answered status ${status}${words}`;
  if (!PASSING.has(status))
    return new EngineError(codeOf(status), message, hintOf(status, url.host));
  const retryAfterMs = parseRetryAfter(headerOf(answer, 'retry-after'), Date.now());
  const hint =
    status === 429 ? { hint: `"${url.host}" limits how often it is asked; try again later.` } : {};
  return new TransientError('REGISTRY_UNAVAILABLE', message, { ...hint, retryAfterMs });
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'REGISTRY_UNAUTHORIZED';
  if (status === 404) return 'REGISTRY_NOT_FOUND';
  return status >= 500 ? 'REGISTRY_UNAVAILABLE' : 'REGISTRY_RESPONSE_INVALID';
}

function hintOf(status: number, host: string): EngineErrorOptions {
  if (status === 401 || status === 403) {
    return { hint: `Check the name; on "${host}" it may not exist, or not be public.` };
  }
  return status === 404 ? { hint: 'Check the repository, the tag and the digest.' } : {};
}

/** One header as text; of one given twice, what Node made of it. */
export function headerOf(answer: Pick<Answer, 'headers'>, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

async function registryWords(answer: Answer): Promise<string> {
  const bytes = await readExcerpt(answer);
  if (bytes.length === 0) return '';
  const text = bytes.toString('utf8');
  const said = parseErrors(text) ?? quote(text.trim());
  return `; the registry says: ${said}`;
}

async function readExcerpt({ body }: Answer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body.read()) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= MAX_ERROR_BODY) break;
    }
  } catch (error) {
    // The status already says what failed; a cut body only costs the registry's words.
    if (!(error instanceof EngineError) || error.code === 'CANCELLED') throw error;
  }
  return Buffer.concat(chunks).subarray(0, MAX_ERROR_BODY);
}

/** The errors of distribution-spec "Error Codes", or undefined when the text is something else. */
function parseErrors(text: string): string | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const errors = fieldOf(document, 'errors');
  if (!Array.isArray(errors) || errors.length === 0) return undefined;
  return errors
    .slice(0, MOST_ERRORS)
    .map((error) => quote(`${textOf(error, 'code')}: ${textOf(error, 'message')}`))
    .join(', ');
}

function textOf(value: unknown, key: string): string {
  const text = fieldOf(value, key);
  return typeof text === 'string' ? text : '';
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? Reflect.get(value, key)
    : undefined;
}
