/**
 * Which credentials are for which repository.
 *
 * Entries of auth files are found by exact comparison of hosts with their ports, never by a part of
 * one. All names of Docker Hub (`docker.io`, `index.docker.io`, `registry-1.docker.io`) are one host.
 */
import { hideInMessages } from '../errors.ts';

/** What proves who we are. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, which only a token service takes; the user name may be empty. */
  | { readonly kind: 'identity-token'; readonly username: string; readonly token: string };

/** Finds credentials for one registry. */
export interface CredentialSource {
  /** The name of the registry, as in a reference and as `dray login` takes it. */
  readonly registry: string;
  /**
   * The credentials for a repository; undefined when none are known.
   *
   * @param repository undefined for the registry as a whole.
   * @throws EngineError `CONFIG_INVALID`, `CREDENTIALS_UNAVAILABLE`, `PERMISSION_DENIED`
   */
  find(repository: string | undefined, signal: AbortSignal): Promise<Credentials | undefined>;
}

/** Docker's key for Docker Hub, in auth files and for credential helpers. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';
const DOCKER_HUB_HOSTS: ReadonlySet<string> = new Set([
  'docker.io',
  'index.docker.io',
  'registry-1.docker.io',
]);

/** The key under which docker files the credentials of a registry. */
export function authKeyOf(registry: string): string {
  return canonicalHost(registry) === 'docker.io' ? DOCKER_HUB_KEY : registry;
}

/** Lower case, and one name for Docker Hub. */
export function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  return DOCKER_HUB_HOSTS.has(lower) ? 'docker.io' : lower;
}

/** Whose credentials are wanted. */
export interface AuthScope {
  /** As in a reference. */
  readonly registry: string;
  readonly repository: string | undefined;
}

/**
 * How well a key of an auth file fits: a higher number is better, undefined is not at all.
 *
 * | key | fits |
 * |---|---|
 * | `HOST` | the host |
 * | `http://HOST/PATH`, `https://HOST/PATH` | the host: the path is the one of its API |
 * | `HOST/PATH` | podman: repositories at and below PATH, the longest first; docker: also the host, last |
 */
export function fitOf(
  key: string,
  { registry, repository }: AuthScope,
  format: 'docker' | 'podman',
): number | undefined {
  const bare = key.replace(/^https?:\/\//, '');
  const slash = bare.indexOf('/');
  const host = slash < 0 ? bare : bare.slice(0, slash);
  if (canonicalHost(host) !== canonicalHost(registry)) return undefined;
  if (key === authKeyOf(registry)) return 1;
  if (slash < 0 || bare !== key) return 0;
  const path = bare.slice(slash + 1).replace(/\/+$/, '');
  if (repository !== undefined && `${repository}/`.startsWith(`${path}/`)) return 1 + path.length;
  return format === 'docker' ? -1 : undefined;
}

/** The value of an `Authorization` header (RFC 7617). */
export function basicHeader(username: string, secret: string): string {
  return `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`;
}

/** Keeps credentials, and the header they are sent in, out of every message from now on. */
export function hideCredentials(credentials: Credentials): void {
  const secret = credentials.kind === 'password' ? credentials.password : credentials.token;
  hideInMessages(secret);
  hideInMessages(basicHeader(credentials.username, secret).slice('Basic '.length));
}
