/**
 * A token service (distribution, "Token Authentication", "OAuth2 Token Authentication") on a loopback
 * port, which knows users and refresh tokens, and the guard of a registry that takes its tokens.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FaultHook } from './test-registry.ts';

/** A request as it arrived. */
export interface TokenServiceRequest {
  readonly method: string;
  readonly url: URL;
  readonly authorization: string | undefined;
  /** The fields of a form. */
  readonly form: URLSearchParams;
}

export interface TokenServiceOptions {
  /** User names and passwords. Anonymous requests get tokens for `pull`. */
  readonly users?: Readonly<Record<string, string>>;
  /** Refresh tokens; the service makes others when a login asks for one. */
  readonly refreshTokens?: readonly string[];
  /** Answer to POST when it knows no OAuth2. */
  readonly postStatus?: 404 | 405;
  readonly expiresInS?: number;
  /** Whether nobody gets a token without credentials. */
  readonly isPrivate?: boolean;
}

interface Grant {
  readonly isKnownUser: boolean;
  readonly refreshToken?: string;
}

export class TokenService implements AsyncDisposable {
  readonly requests: TokenServiceRequest[] = [];
  readonly #server: Server;
  readonly #options: TokenServiceOptions;
  readonly #refreshTokens: Set<string>;
  readonly #scopes = new Map<string, readonly string[]>();

  private constructor(options: TokenServiceOptions) {
    this.#options = options;
    this.#refreshTokens = new Set(options.refreshTokens);
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(options: TokenServiceOptions = {}): Promise<TokenService> {
    const service = new TokenService(options);
    await new Promise<void>((resolve) => service.#server.listen(0, '127.0.0.1', resolve));
    return service;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Forgets all tokens, as if they had expired. */
  expireTokens(): void {
    this.#scopes.clear();
  }

  /**
   * What a registry does with a request: a challenge, unless its token is for the repository and for
   * `action`; what it needs for `/v2/` is any token.
   */
  guard(action = 'pull'): FaultHook {
    return ({ path, headers }) => {
      const token = /^Bearer (.+)$/.exec(String(headers.authorization ?? ''))?.[1];
      const scopes = this.#scopes.get(token ?? '');
      const repository = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(path)?.[1];
      const isEnough = (scope: string): boolean => {
        const [, name, actions = ''] = scope.split(':');
        return name === repository && actions.split(',').includes(action);
      };
      if (scopes !== undefined && (repository === undefined || scopes.some(isEnough)))
        return undefined;
      const scope = repository === undefined ? '' : `,scope="repository:${repository}:${action}"`;
      const challenge = `Bearer realm="${this.origin}/token",service="test"${scope}`;
      return { status: 401, headers: { 'www-authenticate': challenge } };
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const url = new URL(request.url ?? '', this.origin);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const { authorization } = request.headers;
    this.requests.push({ method: request.method ?? '', url, authorization, form });
    const { postStatus } = this.#options;
    const isPost = request.method === 'POST';
    if (isPost && postStatus !== undefined) {
      response.writeHead(postStatus).end();
      return;
    }
    const grant = isPost ? this.#grantForm(form) : this.#grantBasic(authorization, url);
    if (grant === undefined) {
      response.writeHead(401).end(JSON.stringify({ details: `no: ${authorization}` }));
      return;
    }
    const asked = isPost ? (form.get('scope') ?? '').split(' ') : url.searchParams.getAll('scope');
    const token = `token-${this.requests.length}-${Math.random().toString(36).slice(2)}`;
    const isAllowed = (scope: string): boolean => grant.isKnownUser || !/:.*push/.test(scope);
    this.#scopes.set(token, asked.filter(isAllowed));
    const { expiresInS } = this.#options;
    response.end(
      JSON.stringify({
        [isPost ? 'access_token' : 'token']: token,
        ...(expiresInS === undefined ? {} : { expires_in: expiresInS }),
        ...(grant.refreshToken === undefined ? {} : { refresh_token: grant.refreshToken }),
      }),
    );
  }

  #grantForm(form: URLSearchParams): Grant | undefined {
    const known = this.#refreshTokens.has(form.get('refresh_token') ?? '');
    return known && form.get('grant_type') === 'refresh_token' ? { isKnownUser: true } : undefined;
  }

  #grantBasic(authorization: string | undefined, url: URL): Grant | undefined {
    if (authorization === undefined) {
      return this.#options.isPrivate ? undefined : { isKnownUser: false };
    }
    const encoded = /^Basic (.+)$/.exec(authorization)?.[1] ?? '';
    const [user = '', ...rest] = Buffer.from(encoded, 'base64').toString().split(':');
    const secret = rest.join(':');
    if (this.#refreshTokens.has(secret)) return { isKnownUser: true };
    if (secret === '' || this.#options.users?.[user] !== secret) return undefined;
    if (!url.searchParams.has('offline_token')) return { isKnownUser: true };
    const refreshToken = `refresh-of-${user}`;
    this.#refreshTokens.add(refreshToken);
    return { isKnownUser: true, refreshToken };
  }
}
