/** One HTTP request and the head of its answer. No redirects, no retries, no credentials. */
import * as http from 'node:http';
import * as https from 'node:https';
import { EngineError, hasErrno } from '../errors.ts';
import { networkError } from './network-error.ts';
import { ResponseBody } from './response-body.ts';
import { cancelled, TransientError, type TransportLimits } from './retry.ts';

/** The connections of one client, kept alive between requests. */
export interface Connections {
  readonly plain: http.Agent;
  readonly tls: https.Agent;
}

export interface Request {
  readonly method: 'GET' | 'HEAD';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

/** The head of an answer; the body must be read to its end or closed. */
export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: ResponseBody;
  /** What was asked. */
  readonly url: URL;
}

/** Opens no connection yet. */
export function openConnections(): Connections {
  return {
    plain: new http.Agent({ keepAlive: true }),
    tls: new https.Agent({ keepAlive: true }),
  };
}

/** Closes every connection, also those in use. Idempotent. */
export function closeConnections({ plain, tls }: Connections): void {
  plain.destroy();
  tls.destroy();
}

/**
 * Sends a request and waits for the head of its answer.
 *
 * @throws EngineError `CANCELLED`, `REGISTRY_UNAVAILABLE` (transient where another attempt may help),
 * `REGISTRY_RESPONSE_INVALID` when the answer is not HTTP.
 */
export async function exchange(
  request: Request,
  connections: Connections,
  limits: TransportLimits,
): Promise<Answer> {
  for (;;) {
    const sent = await sendOnce(request, connections, limits);
    if (sent !== 'stale') return sent;
  }
}

/** `stale`: a kept connection had been closed by the other side, so nothing was sent at all. */
async function sendOnce(
  { method, url, headers, signal }: Request,
  connections: Connections,
  limits: TransportLimits,
): Promise<Answer | 'stale'> {
  if (signal?.aborted) throw cancelled(signal);
  const { host } = url;
  const { promise, resolve, reject } = Promise.withResolvers<Answer | 'stale'>();
  const isTls = url.protocol === 'https:';
  const options = { method, headers, ...(signal === undefined ? {} : { signal }) };
  const sent = isTls
    ? https.request(url, { ...options, agent: connections.tls })
    : http.request(url, { ...options, agent: connections.plain });
  const timer = setTimeout(() => sent.destroy(lateError(host, limits)), limits.headTimeoutMs);
  sent.on('response', (message) => {
    const bodyOptions = { host, stallTimeoutMs: limits.stallTimeoutMs, signal };
    const body = new ResponseBody(message, bodyOptions);
    resolve({ status: message.statusCode ?? 0, headers: message.headers, body, url });
  });
  sent.on('error', (error) => {
    if (signal?.aborted) reject(cancelled(signal));
    else if (error instanceof EngineError) reject(error);
    else if (sent.reusedSocket && isCut(error)) resolve('stale');
    else reject(networkError(error, host, `reach ${host}`));
  });
  sent.end();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

function isCut(error: Error): boolean {
  return hasErrno(error, 'ECONNRESET') || hasErrno(error, 'EPIPE');
}

function lateError(host: string, limits: TransportLimits): EngineError {
  const seconds = Math.round(limits.headTimeoutMs / 100) / 10;
  return new TransientError('REGISTRY_UNAVAILABLE', `${host} did not answer within ${seconds} s`);
}
