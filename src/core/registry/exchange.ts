/** One HTTP request and the head of its answer. No redirects, no retries, no credentials. */
import * as http from 'node:http';
import * as https from 'node:https';
import { type EngineError, hasErrno } from '../errors.ts';
import type { Connections, Route } from './connections.ts';
import { networkError } from './network-error.ts';
import { bodySize, type RequestBody, sendBody } from './request-body.ts';
import { ResponseBody } from './response-body.ts';
import { cancelled, TransientError, type TransportLimits } from './retry.ts';

/** The methods of the distribution-spec. */
export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Request {
  readonly method: Method;
  readonly url: URL;
  /** `content-length` is not among them: the body has its size. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  /** How much longer than `headTimeoutMs` the answer may take once the body is sent. */
  readonly patienceMs?: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** The head of an answer; the body must be read to its end or closed. */
export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: ResponseBody;
  /** What was asked. */
  readonly method: Method;
  readonly url: URL;
}

/**
 * Sends a request and waits for the head of its answer, which may come before all of the body is sent:
 * then the rest is not.
 *
 * The clock of `headTimeoutMs` starts anew whenever the connection takes bytes of the body.
 *
 * @throws EngineError `CANCELLED`, `REGISTRY_UNAVAILABLE` (transient where another attempt may help),
 * `REGISTRY_RESPONSE_INVALID` when the answer is not HTTP, `CONFIG_INVALID` for a proxy or a certificate
 * that cannot be used; what the stream of the body throws.
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
  request: Request,
  connections: Connections,
  limits: TransportLimits,
): Promise<Answer | 'stale'> {
  const { method, url, body, signal } = request;
  if (signal?.aborted) throw cancelled(signal);
  const { host } = url;
  const { promise, resolve, reject } = Promise.withResolvers<Answer | 'stale'>();
  const settled = new AbortController();
  const route = connections.routeTo(url);
  const sent = startRequest(request, route, limits);
  // Told at once: a request that still waits for its tunnel has no connection that could fail.
  const fail = (error: unknown): void => {
    reject(error);
    sent.destroy();
  };
  const lateAfterMs = limits.headTimeoutMs + (request.patienceMs ?? 0);
  const timer = setTimeout(() => fail(lateError(host, lateAfterMs)), lateAfterMs);
  const onAbort = (): void => fail(signal === undefined ? undefined : cancelled(signal));
  signal?.addEventListener('abort', onAbort, { once: true, signal: settled.signal });
  sent.on('response', (message) => {
    const bodyOptions = { host, stallTimeoutMs: limits.stallTimeoutMs, signal };
    const answerBody = new ResponseBody(message, bodyOptions);
    // The other side does not wait for the rest of the body, so this connection is of no more use.
    message.on('end', () => sent.writableEnded || sent.destroy());
    const { statusCode: status = 0, headers } = message;
    resolve({ status, headers, body: answerBody, method, url });
  });
  sent.on('error', (error) => {
    if (signal?.aborted) reject(cancelled(signal));
    else if (sent.reusedSocket && isCut(error) && isResendable(body)) resolve('stale');
    else reject(networkError(error, host, { doing: `reach ${host}`, proxy: route.proxy?.host }));
  });
  const sending = { request: sent, stop: settled.signal, onSent: () => timer.refresh() };
  const bodySent = sendBody(body, sending).catch(fail);
  try {
    return await promise;
  } finally {
    settled.abort();
    clearTimeout(timer);
    await bodySent;
  }
}

function startRequest(
  { method, url, headers, body, signal }: Request,
  { agent, proxy }: Route,
  { headTimeoutMs }: TransportLimits,
): http.ClientRequest {
  const hasBody = body !== undefined || !['GET', 'HEAD', 'DELETE'].includes(method);
  const options = {
    method,
    headers: hasBody ? { ...headers, 'content-length': String(bodySize(body)) } : headers,
    agent,
    // For the tunnel: Node gives up on one that does not come after this time, and closes it.
    ...(proxy === undefined ? {} : { timeout: headTimeoutMs }),
    ...(signal === undefined ? {} : { signal }),
  };
  return url.protocol === 'https:' ? https.request(url, options) : http.request(url, options);
}

/** A stream may have got far before the connection was cut, which is no sign of a stale one. */
function isResendable(body: RequestBody | undefined): boolean {
  return body === undefined || Buffer.isBuffer(body);
}

function isCut(error: Error): boolean {
  return hasErrno(error, 'ECONNRESET') || hasErrno(error, 'EPIPE');
}

function lateError(host: string, afterMs: number): EngineError {
  const seconds = Math.round(afterMs / 100) / 10;
  return new TransientError('REGISTRY_UNAVAILABLE', `${host} did not answer within ${seconds} s`);
}
