/**
 * Finding, keeping and forgetting credentials, in auth files and credential helpers.
 *
 * Auth files are searched in order. In each of them a helper that is named for the registry stands in
 * for the entries of the file, as docker has it.
 */
import { EngineError, quote } from '../errors.ts';
import {
  type AuthFileContent,
  findAuthKey,
  helperOf,
  isMissing,
  readAuthFile,
  readEntry,
} from './auth-file.ts';
import type { CredentialHelper } from './credential-helper.ts';
import {
  type AuthScope,
  authKeyOf,
  type CredentialSource,
  type Credentials,
} from './credentials.ts';
import type { RegistrySettings } from './registry-settings.ts';

/**
 * The credentials that the auth files have for one registry.
 *
 * Nothing is read before it is asked for, and each repository is looked up once.
 */
export function credentialSource(registry: string, settings: RegistrySettings): CredentialSource {
  const found = new Map<string | undefined, Promise<Credentials | undefined>>();
  return {
    registry,
    find: (repository, signal) => {
      const known = found.get(repository);
      if (known !== undefined) return known;
      const looked = findCredentials({ registry, repository }, settings, signal);
      found.set(repository, looked);
      return looked;
    },
  };
}

/**
 * Looks into the auth files and the helpers they name.
 *
 * @throws EngineError `CONFIG_INVALID`, `CREDENTIALS_UNAVAILABLE`, `PERMISSION_DENIED`; the reason of
 * `signal`.
 */
async function findCredentials(
  scope: AuthScope,
  settings: RegistrySettings,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  for (const file of settings.authFiles) {
    if (isMissing(file)) {
      throw new EngineError(
        'CONFIG_INVALID',
        `there is no file with credentials ${quote(file.path)}`,
        {
          hint: `Check --authfile and REGISTRY_AUTH_FILE, or make it with "dray login --authfile FILE ${scope.registry}".`,
        },
      );
    }
    const content = readAuthFile(file);
    const credentials = await credentialsIn(content, scope, { settings, signal });
    if (credentials !== undefined) return credentials;
  }
  return undefined;
}

async function credentialsIn(
  content: AuthFileContent,
  scope: AuthScope,
  { settings, signal }: { settings: RegistrySettings; signal: AbortSignal | undefined },
): Promise<Credentials | undefined> {
  const name = helperOf(content, scope.registry);
  if (name !== undefined) {
    const { getFromHelper } = await import('./credential-helper.ts');
    const helper = helperFrom(name, content, { settings, signal });
    return getFromHelper(helper, authKeyOf(scope.registry));
  }
  const key = findAuthKey(content, scope);
  return key === undefined ? undefined : readEntry(content, key);
}

/** A helper that an auth file names, with its surroundings. */
export function helperFrom(
  name: string,
  { file }: AuthFileContent,
  { settings, signal }: { settings: RegistrySettings; signal: AbortSignal | undefined },
): CredentialHelper {
  return {
    name,
    namedBy: file.path,
    environment: settings.helperEnvironment(),
    timeoutMs: settings.helperTimeoutMs,
    signal,
  };
}
