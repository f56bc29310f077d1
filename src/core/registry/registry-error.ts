/** What an unexpected status means, in dray's words first and the registry's own words after them. */
import { EngineError, type ErrorCode, quote } from '../errors.ts';
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
 * @param deniedHint what to do when credentials are missing or not enough.
 * @returns a `TransientError` where another attempt may help.
 */
export async function statusError(
  answer: Answer,
  doing: string,
  deniedHint?: string,
): Promise<EngineError> {
  const { status, url } = answer;
  const words = await registryWords(answer);
  const message = `cannot ${doing}: ${redactUrl(url)} answered status ${status}${words}`;
  const hint = hintOf(answer, words, deniedHint);
  const options = hint === undefined ? {} : { hint };
  if (!PASSING.has(status)) return new EngineError(codeOf(status), message, options);
  const retryAfterMs = parseRetryAfter(headerOf(answer, 'retry-after'), Date.now());
  return new TransientError('REGISTRY_UNAVAILABLE', message, { ...options, retryAfterMs });
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'REGISTRY_UNAUTHORIZED';
  if (status === 404) return 'REGISTRY_NOT_FOUND';
  return status >= 500 ? 'REGISTRY_UNAVAILABLE' : 'REGISTRY_RESPONSE_INVALID';
}

const NO_ROOM = /quota|storage limit|limit of storage|insufficient storage|exceed/i;

function hintOf(
  { status, url, method }: Answer,
  words: string,
  deniedHint: string | undefined,
): string | undefined {
  const { host } = url;
  const isWrite = method !== 'GET' && method !== 'HEAD';
  if (status === 429) return `"${host}" limits how often it is asked; try again later.`;
  if (isWrite && status !== 404 && NO_ROOM.test(words)) {
    return `"${host}" has no room left for this account; free some, or ask who runs it for more.`;
  }
  switch (status) {
    case 401:
    case 403:
      return deniedHint ?? `Check the name; on "${host}" it may not exist, or not be public.`;
    case 404:
      return isWrite && /NAME_UNKNOWN|NAME_INVALID/.test(words)
        ? `Check the repository; on "${host}" it may have to be made before the first push.`
        : 'Check the repository, the tag and the digest.';
    case 405:
      return isWrite
        ? `"${host}" may be read-only, or only a cache of another registry.`
        : undefined;
    case 413:
      return `A proxy before "${host}" may limit the size of requests; ask who runs it.`;
    default:
      return undefined;
  }
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
