/**
 * Token services (distribution, "Token Authentication" and "OAuth2 Token Authentication").
 *
 * | credentials | request |
 * |---|---|
 * | none | GET |
 * | user name and password | GET with a Basic header |
 * | identity token | POST with `grant_type=refresh_token`; where there is no such thing (404, 405) GET with it as the password |
 *
 * The service may be another host than the registry's: then it is https. Over plain http credentials
 * leave only for the registry's own host or one that is listed as insecure. The service is judged
 * before credentials are looked up, and its redirects are not followed.
 */
import { EngineError, hideInMessages, quote } from '../errors.ts';
import type { Challenge } from './challenge.ts';
import { basicHeader, type Credentials } from './credentials.ts';
import { isListed, redactUrl, refusalOf } from './endpoint.ts';
import type { Answer } from './exchange.ts';
import { statusError } from './registry-error.ts';

const MAX_TOKEN_BODY = 1024 * 1024;
const MAX_TOKEN_LENGTH = 64 * 1024;
/** A token without `expires_in` lives for 60 s (distribution, "Token Response Fields"). */
const DEFAULT_LIFETIME_S = 60;
/** A token is renewed this long before its end, so that it does not end under way. */
const MARGIN_S = 10;
const CLIENT_ID = 'dray';

/** A request to a token service; its answer's redirects are not followed. */
export interface TokenRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

/** Whoever the tokens are for. */
export interface TokenClient {
  readonly endpoint: URL;
  readonly insecureRegistries: readonly string[];
  readonly send: (request: TokenRequest) => Promise<Answer>;
}

/** What is asked of a token service. */
export interface TokenWish {
  /** Separated by spaces. */
  readonly scope: string;
  readonly service: string | undefined;
  readonly credentials: Credentials | undefined;
  /** Whether an identity token is wanted too, as for a login. */
  readonly wantsIdentityToken: boolean;
}

/** What a token service gave. */
export interface Token {
  /** The value of an `Authorization` header. */
  readonly header: string;
  /** On the clock of `performance.now()`. */
  readonly expiresAt: number;
  readonly identityToken: string | undefined;
}

/**
 * The token service that a challenge names.
 *
 * @throws EngineError `REGISTRY_RESPONSE_INVALID` for one that may not be spoken to.
 */
export function realmOf({ parameters }: Challenge, client: TokenClient): URL {
  const { endpoint } = client;
  const realm = parameters.get('realm');
  if (realm === undefined || !URL.canParse(realm)) {
    throw invalidRealm(endpoint.host, realm, 'it is not a URL');
  }
  const url = new URL(realm);
  const refusal = realmRefusal(url, client);
  if (refusal !== undefined) throw invalidRealm(endpoint.host, redactUrl(url), refusal);
  return url;
}

function realmRefusal(url: URL, { endpoint, insecureRegistries }: TokenClient): string | undefined {
  if (url.hash !== '') return 'it has a fragment';
  const refusal = refusalOf(url, endpoint, insecureRegistries);
  if (refusal !== undefined || url.protocol === 'https:') return refusal;
  if (url.hostname === endpoint.hostname || isListed(url, insecureRegistries)) return undefined;
  return 'over plain http it must be on the host of the registry, or on a listed insecure one';
}

function invalidRealm(host: string, realm: string | undefined, why: string): EngineError {
  const named = realm === undefined ? 'no realm' : `the realm ${quote(realm)}`;
  return new EngineError(
    'REGISTRY_RESPONSE_INVALID',
    `${host} names ${named} to get a token from, which is refused: ${why}`,
  );
}

/**
 * Gets a token.
 *
 * @param realm as `realmOf` gave it.
 * @throws EngineError `REGISTRY_UNAUTHORIZED`, `REGISTRY_UNAVAILABLE`, `REGISTRY_RESPONSE_INVALID`,
 * `CANCELLED`
 */
export async function requestToken(
  realm: URL,
  wish: TokenWish,
  client: TokenClient,
): Promise<Token> {
  const answer = await askFor(realm, wish, client);
  if (answer.status !== 200) {
    throw await statusError(answer, `get a token for ${quote(client.endpoint.host)}`);
  }
  return readToken(answer, redactUrl(answer.url));
}

async function askFor(realm: URL, wish: TokenWish, client: TokenClient): Promise<Answer> {
  const { credentials } = wish;
  if (credentials?.kind !== 'identity-token') return client.send(getRequest(realm, wish));
  const answer = await client.send(postRequest(realm, wish, credentials.token));
  if (answer.status !== 404 && answer.status !== 405) return answer;
  await answer.body.discard();
  return client.send(getRequest(realm, wish));
}

function getRequest(realm: URL, wish: TokenWish): TokenRequest {
  const { scope, service, credentials, wantsIdentityToken } = wish;
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.append('service', service);
  for (const one of scope.split(' ')) if (one !== '') url.searchParams.append('scope', one);
  if (wantsIdentityToken) {
    url.searchParams.append('offline_token', 'true');
    url.searchParams.append('client_id', CLIENT_ID);
  }
  if (credentials === undefined) return { method: 'GET', url, headers: {} };
  const { username } = credentials;
  if (username !== '') url.searchParams.append('account', username);
  const secret = credentials.kind === 'password' ? credentials.password : credentials.token;
  return { method: 'GET', url, headers: { authorization: basicHeader(username, secret) } };
}

function postRequest(realm: URL, { scope, service }: TokenWish, token: string): TokenRequest {
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: CLIENT_ID });
  if (service !== undefined) form.append('service', service);
  if (scope !== '') form.append('scope', scope);
  form.append('refresh_token', token);
  return {
    method: 'POST',
    url: realm,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(form.toString()),
  };
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
  hideInMessages(token);
  const stated = fields.get('expires_in');
  const lifetimeS = typeof stated === 'number' && stated > 0 ? stated : DEFAULT_LIFETIME_S;
  return {
    header: `Bearer ${token}`,
    expiresAt: performance.now() + Math.max(0, lifetimeS - MARGIN_S) * 1000,
    identityToken: identityTokenOf(fields.get('refresh_token')),
  };
}

function identityTokenOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '' || value.length > MAX_TOKEN_LENGTH)
    return undefined;
  hideInMessages(value);
  return value;
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
