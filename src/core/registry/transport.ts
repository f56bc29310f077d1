/**
 * Requests to one registry: redirects, tokens, warnings. `retry.ts` says what is sent again.
 *
 * Redirects are followed where they change nothing but the place: any for GET and HEAD, and for what
 * carries a body only 307 and 308, which keep method and body (RFC 9110, 15.4). A URL that the
 * registry names, for a redirect or for an upload, is checked before anything is sent there.
 *
 * A token goes to the registry's own origin (scheme, host and port) and nowhere else: a redirect to
 * another host, be it a sub-domain, is followed without it. No cookies are kept or sent.
 */
import { EngineError, quote } from '../errors.ts';
import type { OnProgress } from '../progress.ts';
import { type Authorizer, createAuthorizer, loginHint } from './auth.ts';
import { type Connections, openConnections } from './connections.ts';
import type { CredentialSource } from './credentials.ts';
import { redactUrl, refusalOf } from './endpoint.ts';
import { type Answer, exchange, type Method, type Request } from './exchange.ts';
import { headerOf, statusError } from './registry-error.ts';
import type { RegistrySettings } from './registry-settings.ts';
import type { RequestBody } from './request-body.ts';
import { type Retrier, type RetryBudget, startRetrier, type TransportLimits } from './retry.ts';
import type { TokenRequest } from './token-service.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const REDIRECTS_WITH_BODY: ReadonlySet<number> = new Set([307, 308]);
const MOST_WARNINGS = 10;

export interface TransportOptions {
  readonly endpoint: URL;
  readonly insecureRegistries: readonly string[];
  readonly userAgent: string;
  readonly limits: TransportLimits;
  /** What all requests may wait together. */
  readonly retryBudget: RetryBudget;
  readonly onProgress: OnProgress | undefined;
  /** Proxies and certificates. */
  readonly registries: RegistrySettings;
  /** Without them all access is anonymous. */
  readonly credentials?: CredentialSource | undefined;
  /** Whether an identity token is to be asked for with every token. */
  readonly wantsIdentityToken?: boolean | undefined;
}

/** One request to the registry, or to where it said. */
export interface RegistryRequest {
  readonly method: Method;
  /** Path below the endpoint, encoded, with its query; or a URL from `locationOf`. */
  readonly path: string | URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  /** How much longer than usual the registry may take to answer, in milliseconds. */
  readonly patienceMs?: number | undefined;
  /** The scopes of the token, separated by spaces, such as `repository:library/x:pull,push`. */
  readonly scope: string;
  /** What it is for, as in "cannot …". */
  readonly doing: string;
  /** The statuses that are an answer; every other one is an error. */
  readonly expects: readonly number[];
  readonly signal: AbortSignal | undefined;
}

/** Sends requests to one registry; owns its connections. */
export class Transport implements Disposable {
  readonly #options: TransportOptions;
  readonly #connections: Connections;
  readonly #authorizer: Authorizer;
  readonly #warned = new Set<string>();
  #isClosed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#connections = openConnections(options.registries);
    const send = (request: TokenRequest): Promise<Answer> =>
      this.#send({ ...request, signal: undefined });
    this.#authorizer = createAuthorizer({ ...options, send });
  }

  /** Host and port of the registry, for messages. */
  get host(): string {
    return this.#options.endpoint.host;
  }

  /** The identity token that a token service gave last. */
  get identityToken(): string | undefined {
    return this.#authorizer.identityToken;
  }

  /** Counts the attempts of one request. */
  startRetrier(attempts?: number): Retrier {
    const { limits, retryBudget, onProgress } = this.#options;
    return startRetrier(limits, { host: this.host, budget: retryBudget, onProgress, attempts });
  }

  /**
   * Does `work` until it succeeds, or fails in a way that another attempt cannot mend.
   *
   * @throws EngineError as `Retrier.pause`
   */
  async retrying<T>(
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
    attempts?: number,
  ): Promise<T> {
    const retrier = this.startRetrier(attempts);
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await retrier.pause(error, signal);
      }
    }
  }

  /**
   * Sends a request once, follows redirects, and answers one 401; the body of the request is sent
   * again for each of these.
   *
   * The body of the answer must be read or closed by the caller.
   *
   * @throws EngineError for any status that is not expected; transient where another attempt may
   * help.
   */
  async open(request: RegistryRequest): Promise<Answer> {
    const first = this.#authorizer.current(request.scope);
    const answer = await this.#follow(request, first);
    if (!this.#isChallenge(answer)) return this.#accept(answer, request);
    const challenge = headerOf(answer, 'www-authenticate') ?? '';
    if (challenge === '') return this.#accept(answer, request);
    await answer.body.discard();
    const authorization = await this.#authorizer.answer(challenge, request.scope, {
      rejected: first,
      signal: request.signal,
    });
    const second = await this.#follow(request, authorization);
    if (this.#isChallenge(second)) throw await this.#rejected(second, request);
    return this.#accept(second, request);
  }

  /**
   * The URL in the `Location` of an answer, relative to the URL that answered. It may be of another
   * origin; `open` then sends no token with what goes there.
   *
   * @throws EngineError `REGISTRY_RESPONSE_INVALID` when there is none, or none that may be visited
   */
  locationOf(answer: Answer, doing: string): URL {
    const { url } = answer;
    const location = readLocation(answer);
    const refusal = this.#refusalOf(location, url);
    if (location !== undefined && refusal === undefined) return location;
    const place = location === undefined ? '' : ` ${quote(redactUrl(location))}`;
    throw new EngineError(
      'REGISTRY_RESPONSE_INVALID',
      `cannot ${doing}: the location${place} that ${redactUrl(url)} names is refused because ${refusal}`,
    );
  }

  /** Closes all connections: what is under way fails and is not sent again. Idempotent. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#authorizer[Symbol.dispose]();
    this.#connections.close();
  }

  #isChallenge({ status, url }: Answer): boolean {
    return status === 401 && url.origin === this.#options.endpoint.origin;
  }

  async #accept(answer: Answer, { expects, doing }: RegistryRequest): Promise<Answer> {
    if (expects.includes(answer.status)) return answer;
    const isOurs = answer.url.origin === this.#options.endpoint.origin;
    throw await statusError(answer, doing, isOurs ? loginHint(this.#options) : undefined);
  }

  async #rejected(answer: Answer, request: RegistryRequest): Promise<EngineError> {
    const error = await statusError(answer, request.doing);
    return new EngineError(
      'REGISTRY_UNAUTHORIZED',
      `credentials rejected by ${this.host}: ${error.message}`,
      { hint: loginHint(this.#options) },
    );
  }

  async #follow(request: RegistryRequest, authorization: string | undefined): Promise<Answer> {
    const { endpoint } = this.#options;
    const { method, doing } = request;
    const chain: string[] = [];
    let url = new URL(request.path, endpoint);
    for (;;) {
      const isOwn = url.origin === endpoint.origin;
      const headers = isOwn && authorization !== undefined ? { authorization } : {};
      const answer = await this.#send({
        ...request,
        url,
        headers: { ...request.headers, ...headers },
      });
      if (isOwn) this.#reportWarnings(answer);
      if (!REDIRECTS.has(answer.status)) return answer;
      await answer.body.discard();
      chain.push(redactUrl(url));
      const next = readLocation(answer);
      const refusal = methodRefusal(method, answer.status) ?? this.#refusalOf(next, url);
      if (next === undefined || refusal !== undefined) {
        throw refusedRedirect(doing, [...chain, next && redactUrl(next)], refusal);
      }
      if (chain.length > MAX_REDIRECTS) {
        throw refusedRedirect(doing, chain, `there are more than ${MAX_REDIRECTS}`);
      }
      url = next;
    }
  }

  #refusalOf(location: URL | undefined, from: URL): string | undefined {
    if (location === undefined) return 'it has no usable location';
    return refusalOf(location, from, this.#options.insecureRegistries);
  }

  async #send(request: Request): Promise<Answer> {
    if (this.#isClosed) {
      throw new EngineError('CANCELLED', `the client of ${this.host} is closed`);
    }
    const headers = {
      'user-agent': this.#options.userAgent,
      'accept-encoding': 'identity',
      ...request.headers,
    };
    return exchange({ ...request, headers }, this.#connections, this.#options.limits);
  }

  /** `Warning: 299 - "text"` (distribution-spec, "Warnings"): each text once, and not too many. */
  #reportWarnings(answer: Answer): void {
    const header = headerOf(answer, 'warning');
    if (header === undefined) return;
    for (const match of header.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)) {
      const text = match[1] ?? '';
      if (this.#warned.has(text) || this.#warned.size >= MOST_WARNINGS) continue;
      this.#warned.add(text);
      const message = `registry ${this.host} warns: ${quote(text)}`;
      this.#options.onProgress?.({ type: 'warning', message });
    }
  }
}

function readLocation(answer: Answer): URL | undefined {
  const location = headerOf(answer, 'location');
  if (location === undefined || !URL.canParse(location, answer.url)) return undefined;
  return new URL(location, answer.url);
}

function methodRefusal(method: Method, status: number): string | undefined {
  if (method === 'GET' || method === 'HEAD' || REDIRECTS_WITH_BODY.has(status)) return undefined;
  return `it has the status ${status}, and only 307 and 308 keep a ${method} as it is`;
}

function refusedRedirect(
  doing: string,
  chain: readonly (string | undefined)[],
  why: string | undefined,
): EngineError {
  const steps = chain.filter((step) => step !== undefined).map((step) => quote(step));
  return new EngineError(
    'REGISTRY_RESPONSE_INVALID',
    `cannot ${doing}: a redirect is refused because ${why ?? 'it leads nowhere'} (${steps.join(' to ')})`,
  );
}
