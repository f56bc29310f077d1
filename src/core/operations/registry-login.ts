/** Logging in to registries and out again. Needs no store. */
import { EngineError, hideInMessages, quote } from '../errors.ts';
import { parseReference } from '../oci/reference.ts';
import type { OperationOptions } from '../progress.ts';
import { checkCredentials } from '../registry/check-credentials.ts';
import {
  type ForgottenCredentials,
  forgetAllCredentials,
  forgetCredentials,
  type KeptCredentials,
  keepCredentials,
  type LoginTarget,
} from '../registry/credential-login.ts';
import { credentialSource } from '../registry/credential-store.ts';
import type { Credentials } from '../registry/credentials.ts';
import { isInsecureRegistry } from '../registry/pull-endpoints.ts';
import { NO_REGISTRY_SETTINGS } from '../registry/registry-settings.ts';
import type { EngineSettings } from './engine.ts';
import { registriesConfOf } from './registry-connection.ts';

/** Who logs in where. */
export interface LoginRequest {
  /** As the user names it: `HOST[:PORT]`, with a scheme too; with podman's files `HOST/PATH`. */
  readonly registry: string;
  readonly username: string;
  readonly password: string;
}

/**
 * Checks a user name and a password with the registry, then keeps them, or the identity token that
 * its token service gave for them.
 *
 * @throws EngineError `USAGE_INVALID` for what is no registry; `REGISTRY_BLOCKED` before anything is
 * sent; `REGISTRY_UNAUTHORIZED` when they are refused, and what the registry client throws: then
 * nothing is kept; `CONFIG_INVALID`, `CREDENTIALS_UNAVAILABLE`, `PERMISSION_DENIED` when they cannot
 * be kept.
 */
export async function loginToRegistry(
  settings: EngineSettings,
  { registry, username, password }: LoginRequest,
  options: OperationOptions = {},
): Promise<KeptCredentials> {
  hideInMessages(password);
  requireUsable(username, password);
  const target = parseTarget(registry);
  const registries = settings.registries ?? NO_REGISTRY_SETTINGS;
  const given: Credentials = { kind: 'password', username, password };
  const token = await check(target, given, { ...options, settings });
  const kept: Credentials =
    token === undefined ? given : { kind: 'identity-token', username, token };
  return keepCredentials(target, kept, { settings: registries, signal: options.signal });
}

/** What came of the credentials that are kept for a registry. */
export type KeptLogin = 'taken' | 'refused' | 'none';

/**
 * Tries the credentials that are kept for a registry, so that nobody need be asked for them. What
 * cannot be read counts as none: a login replaces it, or says what is wrong.
 *
 * @throws EngineError as `loginToRegistry`, but for `REGISTRY_UNAUTHORIZED`
 */
export async function tryKeptLogin(
  settings: EngineSettings,
  registry: string,
  options: OperationOptions = {},
): Promise<KeptLogin> {
  const { signal } = options;
  const target = parseTarget(registry);
  const credentials = await findKept(target, settings, signal ?? new AbortController().signal);
  if (credentials === undefined) return 'none';
  try {
    const token = await check(target, credentials, { ...options, settings });
    // The service may have replaced the identity token, and take the old one no longer.
    if (token !== undefined && credentials.kind === 'identity-token') {
      const registries = settings.registries ?? NO_REGISTRY_SETTINGS;
      await keepCredentials(target, { ...credentials, token }, { settings: registries, signal });
    }
    return 'taken';
  } catch (error) {
    if (error instanceof EngineError && error.code === 'REGISTRY_UNAUTHORIZED') return 'refused';
    throw error;
  }
}

async function findKept(
  { registry, path }: LoginTarget,
  settings: EngineSettings,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  const registries = settings.registries ?? NO_REGISTRY_SETTINGS;
  // A file that login is to make need not be there yet.
  const authFiles = registries.authFiles.map((file) => ({ ...file, isNamed: false }));
  try {
    return await credentialSource(registry, { ...registries, authFiles }).find(path, signal);
  } catch (error) {
    if (signal.aborted || !(error instanceof EngineError)) throw error;
    return undefined;
  }
}

/** The identity token that the registry's token service gave for the credentials, if it did. */
async function check(
  target: LoginTarget,
  credentials: Credentials,
  { settings, signal, onProgress }: OperationOptions & { readonly settings: EngineSettings },
): Promise<string | undefined> {
  const source = { registry: target.registry, find: async () => credentials };
  const { identityToken } = await checkCredentials(source, {
    insecureRegistries: await insecureRegistriesFor(target, settings),
    userAgent: `dray/${settings.version}`,
    registries: settings.registries,
    signal,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  return identityToken;
}

/**
 * Forgets the credentials of a registry. Idempotent; the registry is not asked.
 *
 * @throws EngineError `USAGE_INVALID`, `CONFIG_INVALID`, `CREDENTIALS_UNAVAILABLE`, `PERMISSION_DENIED`
 */
export async function logoutFromRegistry(
  settings: EngineSettings,
  registry: string,
  { signal }: OperationOptions = {},
): Promise<ForgottenCredentials> {
  const registries = settings.registries ?? NO_REGISTRY_SETTINGS;
  return forgetCredentials(parseTarget(registry), { settings: registries, signal });
}

/**
 * Forgets all credentials in the file that `login` writes to, and in its helpers. Idempotent.
 *
 * @throws as `logoutFromRegistry`.
 */
export async function logoutFromAll(
  settings: EngineSettings,
  { signal }: OperationOptions = {},
): Promise<void> {
  await forgetAllCredentials({ settings: settings.registries ?? NO_REGISTRY_SETTINGS, signal });
}

/** Those of the settings, and the registry itself when registries.conf says so, as for `fetch`. */
async function insecureRegistriesFor(
  target: LoginTarget,
  settings: EngineSettings,
): Promise<readonly string[]> {
  const { insecureRegistries } = settings;
  const isInsecure = isInsecureRegistry(target, await registriesConfOf(settings));
  return isInsecure ? [...insecureRegistries, target.registry] : insecureRegistries;
}

function requireUsable(username: string, password: string): void {
  if (username === '' || password === '') {
    const missing = username === '' ? 'user name' : 'password';
    throw new EngineError('USAGE_INVALID', `the ${missing} is empty`);
  }
  // RFC 7617: the first colon ends the user name, and control characters are for neither.
  if (/[:\u0000-\u001f\u007f]/.test(username) || /[\u0000-\u001f\u007f]/.test(password)) {
    throw new EngineError(
      'USAGE_INVALID',
      'user name or password have characters that cannot be sent: control characters, or a ":" in the user name',
    );
  }
}

/** The scheme goes as docker has it. The grammar of registries is the one of references. */
function parseTarget(input: string): LoginTarget {
  const bare = input.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '');
  const [host = '', ...path] = bare.split('/');
  try {
    const { registry, repository } = parseReference(`${bare}/x`);
    if (registry === host.toLowerCase() || host === 'index.docker.io') {
      const below = path.length === 0 ? undefined : repository.replace(/\/x$/, '');
      return { registry, ...(below === undefined ? {} : { path: below }) };
    }
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'REFERENCE_INVALID') throw error;
  }
  throw new EngineError('USAGE_INVALID', `${quote(input)} is no registry; expected HOST[:PORT]`);
}
