/**
 * Bearer tokens (distribution's token authentication): a 401 names a realm, a GET there gives a token
 * for one scope, and the request is sent once more with it.
 *
 * Tokens belong to the registry's own origin and are given to nobody else; `transport` sees to that.
 * `requestToken` is where credentials enter once dray has them: the realm is checked before.
 */
import { EngineError, quote } from '../errors.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { redactUrl, refusalOf } from './endpoint.ts';
import type { Answer } from './exchange.ts';
import { statusError } from './registry-error.ts';
import { cancelled } from './retry.ts';

const MAX_TOKEN_BODY = 1024 * 1024;
const MAX_TOKEN_LENGTH = 64 * 1024;
/** A token without `expires_in` lives for 60 s (distribution, "Token Response Fields"). */
const DEFAULT_LIFETIME_S = 60;
/** A token is renewed this long before its end, so that it does not end under way. */
const MARGIN_S = 10;

/** What tokens are for and where they come from. */
export interface AuthOptions {
  readonly endpoint: URL;
  readonly insecureRegistries: readonly string[];
  /** Sends a GET without following redirects. */
  readonly send: (url: URL) => Promise<Answer>;
}

/** Whoever answers the challenges of one registry. */
export interface Authorizer {
  /** The `Authorization` header to begin with, when a token for the scope is at hand. */
  current(scope: string): string | undefined;
  /**
   * The header to answer a challenge with.
   *
   * @param rejected the header that the challenged request had.
   * @throws EngineError `REGISTRY_UNAUTHORIZED`, `REGISTRY_RESPONSE_INVALID`, `CANCELLED`
   */
  answer(
    challenge: string,
    scope: string,
    options: { rejected: string | undefined; signal: AbortSignal | undefined },
  ): Promise<string>;
}

interface Token {
  readonly header: string;
  readonly expiresAt: number;
}

/** Starts without any token. Requests that need the same token wait for one fetch of it. */
export function createAuthorizer(options: AuthOptions): Authorizer {
  const tokens = new Map<string, Token>();
  const underWay = new Map<string, Promise<Token>>();
  const current = (scope: string): string | undefined => {
    const token = tokens.get(scope);
    return token !== undefined && token.expiresAt > performance.now() ? token.header : undefined;
  };
  const renew = (challenge: string, scope: string): Promise<Token> => {
    const fetched = requestToken(challenge, scope, options).then((token) => {
      tokens.set(scope, token);
      return token;
    });
    const settled = fetched.finally(() => underWay.delete(scope));
    underWay.set(scope, settled);
    return settled;
  };
  return {
    current,
    answer: async (challenge, scope, { rejected, signal }) => {
      const held = current(scope);
      if (held !== undefined && held !== rejected) return held;
      const token = underWay.get(scope) ?? renew(challenge, scope);
      return (await abortable(token, signal)).header;
    },
  };
}

/** The fetch of a token is shared, so one caller's cancellation only ends its own wait. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) throw cancelled(signal);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(cancelled(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function requestToken(header: string, scope: string, options: AuthOptions): Promise<Token> {
  const { host } = options.endpoint;
  const challenges = parseChallenges(header, host);
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  if (bearer === undefined) throw needsCredentials(host, challenges);
  const url = realmOf(bearer, options);
  const service = bearer.parameters.get('service');
  if (service !== undefined) url.searchParams.append('service', service);
  url.searchParams.append('scope', bearer.parameters.get('scope') ?? scope);
  const answer = await options.send(url);
  if (answer.status !== 200) {
    throw await statusError(answer, `get a token for ${quote(host)}`);
  }
  return readToken(answer, redactUrl(url));
}

function realmOf({ parameters }: Challenge, options: AuthOptions): URL {
  const { endpoint, insecureRegistries } = options;
  const realm = parameters.get('realm');
  if (realm === undefined || !URL.canParse(realm)) {
    throw invalidRealm(endpoint.host, realm, 'it is not a URL');
  }
  const url = new URL(realm);
  const refusal = refusalOf(url, endpoint, insecureRegistries);
  if (refusal !== undefined) throw invalidRealm(endpoint.host, redactUrl(url), refusal);
  if (url.hash !== '') throw invalidRealm(endpoint.host, redactUrl(url), 'it has a fragment');
  return url;
}

function invalidRealm(host: string, realm: string | undefined, why: string): EngineError {
  const named = realm === undefined ? 'no realm' : `the realm ${quote(realm)}`;
  return new EngineError(
    'REGISTRY_RESPONSE_INVALID',
    `${host} names ${named} to get a token from, which is refused: ${why}`,
  );
}

function needsCredentials(host: string, challenges: readonly Challenge[]): EngineError {
  const schemes = challenges.map(({ scheme }) => quote(scheme)).join(', ');
  return new EngineError(
    'REGISTRY_UNAUTHORIZED',
    `${host} asks for credentials (${schemes}); only anonymous access is possible`,
  );
}

async function readToken({ body }: Answer, where: string): Promise<Token> {
  const bytes = await body.readAll(MAX_TOKEN_BODY);
  if (bytes === undefined) throw invalidToken(where, `is larger than ${MAX_TOKEN_BODY} bytes`);
  const fields = parseFields(bytes.toString('utf8'), where);
  const token = fields.get('token') ?? fields.get('access_token');
  if (typeof token !== 'string') throw invalidToken(where, 'has no token');
  if (!/^[\x21-\x7e]+$/.test(token) || token.length > MAX_TOKEN_LENGTH) {
    throw invalidToken(where, 'has a token with characters that no header can carry');
  }
  const stated = fields.get('expires_in');
  const lifetimeS = typeof stated === 'number' && stated > 0 ? stated : DEFAULT_LIFETIME_S;
  return {
    header: `Bearer ${token}`,
    expiresAt: performance.now() + Math.max(0, lifetimeS - MARGIN_S) * 1000,
  };
}

function parseFields(text: string, where: string): ReadonlyMap<string, unknown> {
  try {
    const document: unknown = JSON.parse(text);
    if (typeof document === 'object' && document !== null) return new Map(Object.entries(document));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw invalidToken(where, 'is not a JSON object');
}

function invalidToken(where: string, why: string): EngineError {
  return new EngineError('REGISTRY_RESPONSE_INVALID', `the answer of ${where} ${why}`);
}
