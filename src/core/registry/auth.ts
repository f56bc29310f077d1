/**
 * Answers challenges: a 401 says how to authenticate, and the request is sent once more.
 *
 * | challenge | answer |
 * |---|---|
 * | Bearer, also beside Basic | a token from the service that it names, with our credentials if we have some |
 * | Basic | user name and password |
 *
 * What is answered belongs to the registry's own origin and is given to nobody else; `transport` sees
 * to that. Credentials are looked up only when they are asked for.
 */
import { EngineError, quote } from '../errors.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { basicHeader, type CredentialSource, type Credentials } from './credentials.ts';
import { cancelled } from './retry.ts';
import { mergeScopes, repositoryOf } from './scope.ts';
import { realmOf, requestToken, type Token, type TokenClient } from './token-service.ts';

/** Whom to authenticate with, and as whom. */
export interface AuthOptions extends TokenClient {
  /** Without them all access is anonymous. */
  readonly credentials?: CredentialSource | undefined;
  /** Whether an identity token is to be asked for, as for a login. */
  readonly wantsIdentityToken?: boolean | undefined;
}

/** Whoever answers the challenges of one registry. */
export interface Authorizer extends Disposable {
  /** The `Authorization` header to begin with, when one for the scope is at hand. */
  current(scope: string): string | undefined;
  /**
   * The header to answer a challenge with.
   *
   * @param rejected the header that the challenged request had.
   * @throws EngineError `REGISTRY_UNAUTHORIZED`, `REGISTRY_RESPONSE_INVALID`, `CANCELLED`; what the
   * source of credentials throws.
   */
  answer(
    challenge: string,
    scope: string,
    options: { rejected: string | undefined; signal: AbortSignal | undefined },
  ): Promise<string>;
  /** The identity token that the token service gave last. */
  readonly identityToken: string | undefined;
}

/** Starts without any token. Requests that need the same token wait for one fetch of it. */
export function createAuthorizer(options: AuthOptions): Authorizer {
  const tokens = new Map<string, Token>();
  const underWay = new Map<string, Promise<Token>>();
  const closing = new AbortController();
  let identityToken: string | undefined;
  const current = (scope: string): string | undefined => {
    const token = tokens.get(scope);
    return token !== undefined && token.expiresAt > performance.now() ? token.header : undefined;
  };
  const renew = (challenge: string, scope: string): Promise<Token> => {
    const question = { challenge, scope, rotated: identityToken, signal: closing.signal };
    const fetched = answerChallenge(question, options).then((token) => {
      tokens.set(scope, token);
      identityToken = token.identityToken ?? identityToken;
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
    get identityToken() {
      return identityToken;
    },
    [Symbol.dispose]: () => closing.abort(),
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

interface Question {
  readonly challenge: string;
  readonly scope: string;
  /** An identity token that the service gave in exchange for ours, which may not serve again. */
  readonly rotated: string | undefined;
  readonly signal: AbortSignal;
}

async function answerChallenge(question: Question, options: AuthOptions): Promise<Token> {
  const challenges = parseChallenges(question.challenge, options.endpoint.host);
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  if (bearer !== undefined) return bearerToken(bearer, question, options);
  const credentials = await findCredentials(question, options);
  const isBasic = challenges.some(({ scheme }) => scheme === 'basic');
  if (!isBasic || credentials?.kind !== 'password') {
    throw needsCredentials(challenges, credentials, options);
  }
  const header = basicHeader(credentials.username, credentials.password);
  return { header, expiresAt: Number.POSITIVE_INFINITY, identityToken: undefined };
}

async function bearerToken(
  bearer: Challenge,
  question: Question,
  options: AuthOptions,
): Promise<Token> {
  const realm = realmOf(bearer, options);
  const found = await findCredentials(question, options);
  const { rotated } = question;
  const credentials =
    found?.kind === 'identity-token' && rotated !== undefined
      ? { ...found, token: rotated }
      : found;
  const wish = {
    scope: mergeScopes(question.scope, bearer.parameters.get('scope') ?? ''),
    service: bearer.parameters.get('service'),
    credentials,
    wantsIdentityToken: options.wantsIdentityToken ?? false,
  };
  try {
    return await requestToken(realm, wish, options);
  } catch (error) {
    throw asRejected(error, credentials, options);
  }
}

async function findCredentials(
  { scope, signal }: Question,
  { credentials, endpoint }: AuthOptions,
): Promise<Credentials | undefined> {
  try {
    return await credentials?.find(repositoryOf(scope), signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new EngineError('CANCELLED', `the client of ${endpoint.host} is closed`);
  }
}

function asRejected(
  error: unknown,
  credentials: Credentials | undefined,
  options: AuthOptions,
): unknown {
  if (!(error instanceof EngineError) || error.code !== 'REGISTRY_UNAUTHORIZED') return error;
  const what =
    credentials === undefined ? '' : `the credentials for ${registryOf(options)} were rejected: `;
  const hint = loginHint(options);
  return new EngineError(error.code, `${what}${error.message}`, { hint, cause: error });
}

function needsCredentials(
  challenges: readonly Challenge[],
  credentials: Credentials | undefined,
  options: AuthOptions,
): EngineError {
  const schemes = challenges.map(({ scheme }) => quote(scheme)).join(', ');
  const known =
    credentials === undefined
      ? 'none are known'
      : credentials.kind === 'password'
        ? 'dray answers "basic" and "bearer" only'
        : 'only an identity token is known';
  return new EngineError(
    'REGISTRY_UNAUTHORIZED',
    `${options.endpoint.host} asks for credentials (${schemes}), and ${known}`,
    { hint: loginHint(options) },
  );
}

/** What to do where access is refused. */
export function loginHint(options: Pick<AuthOptions, 'credentials' | 'endpoint'>): string {
  return `Check the name; if it is not public, log in with "dray login ${registryOf(options)}".`;
}

function registryOf({ credentials, endpoint }: Pick<AuthOptions, 'credentials' | 'endpoint'>) {
  return credentials?.registry ?? endpoint.host;
}
