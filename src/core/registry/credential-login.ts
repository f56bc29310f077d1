/** Keeping and forgetting credentials: what `dray login` and `dray logout` do to the auth file. */
import { EngineError, quote } from '../errors.ts';
import {
  type AuthFileContent,
  findAuthKey,
  helperOf,
  isJsonObject,
  type JsonObject,
  readAuthFile,
} from './auth-file.ts';
import { editAuthFile } from './auth-file-edit.ts';
import { helperFrom } from './credential-store.ts';
import {
  type AuthScope,
  authKeyOf,
  type Credentials,
  fitOf,
  hideCredentials,
} from './credentials.ts';
import type { AuthFile, RegistrySettings } from './registry-settings.ts';

/** Whose credentials: a registry, or with podman's files a part of one. */
export interface LoginTarget {
  /** As in a reference. */
  readonly registry: string;
  /** Repositories below this path; undefined is the whole registry. */
  readonly path?: string | undefined;
}

/** Where credentials went. */
export interface KeptCredentials {
  readonly file: string;
  /** The helper that has them; without one they are in the file itself, unencrypted. */
  readonly helper: string | undefined;
}

/** What is left of them. */
export interface ForgottenCredentials {
  /** Whether there was anything to forget. */
  readonly isForgotten: boolean;
  /** Other files that have credentials for the registry too; they are read, never written. */
  readonly remainingIn: readonly string[];
}

/**
 * Keeps credentials in the auth file of `settings`, or in the helper that this file names. What was kept
 * for the same registry is replaced.
 *
 * @throws EngineError `CONFIG_INVALID`, `CREDENTIALS_UNAVAILABLE`, `PERMISSION_DENIED`, `USAGE_INVALID`
 * for a path where only whole registries can be kept; the reason of `signal`.
 */
export async function keepCredentials(
  target: LoginTarget,
  credentials: Credentials,
  { settings, signal }: { settings: RegistrySettings; signal?: AbortSignal | undefined },
): Promise<KeptCredentials> {
  hideCredentials(credentials);
  const file = loginFile(settings);
  const key = keyOf(target, file);
  let helper: string | undefined;
  const change = async (content: AuthFileContent): Promise<JsonObject> => {
    helper = helperOf(content, target.registry);
    if (helper === undefined) {
      return withEntry(content.auths, key, entryOf(content.auths[key], credentials));
    }
    if (target.path !== undefined) throw onlyWhole(`the credential helper ${quote(helper)}`);
    const { storeInHelper } = await import('./credential-helper.ts');
    await storeInHelper(helperFrom(helper, content, { settings, signal }), key, credentials);
    return withEntry(content.auths, key, {});
  };
  await editAuthFile(file, change, signal);
  return { file: file.path, helper };
}

/**
 * Forgets the credentials of a registry in the auth file of `settings` and in the helper that this file
 * names. Idempotent.
 *
 * @throws as `keepCredentials`.
 */
export async function forgetCredentials(
  target: LoginTarget,
  { settings, signal }: { settings: RegistrySettings; signal?: AbortSignal | undefined },
): Promise<ForgottenCredentials> {
  const file = loginFile(settings);
  const key = keyOf(target, file);
  let isForgotten = false;
  await editAuthFile(
    file,
    async (content) => {
      const doomed = Object.keys(content.auths).filter((one) => isFor(one, target, key));
      const helper = target.path === undefined ? helperOf(content, target.registry) : undefined;
      if (helper !== undefined) {
        const { eraseFromHelper } = await import('./credential-helper.ts');
        isForgotten = await eraseFromHelper(helperFrom(helper, content, { settings, signal }), key);
      }
      isForgotten ||= doomed.length > 0;
      return doomed.length === 0 ? undefined : withoutEntries(content.auths, doomed);
    },
    signal,
  );
  return { isForgotten, remainingIn: othersWith(target, settings) };
}

/**
 * Forgets all credentials of the auth file of `settings` and of the helpers that it names. Idempotent.
 *
 * @throws as `keepCredentials`.
 */
export async function forgetAllCredentials({
  settings,
  signal,
}: {
  settings: RegistrySettings;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const change = async (content: AuthFileContent): Promise<JsonObject | undefined> => {
    const names = new Set([...content.credHelpers.values(), content.credsStore ?? '']);
    names.delete('');
    for (const name of names) {
      const { eraseFromHelper, listHelper } = await import('./credential-helper.ts');
      const helper = helperFrom(name, content, { settings, signal });
      for (const server of await listHelper(helper)) await eraseFromHelper(helper, server);
    }
    return Object.keys(content.auths).length === 0 ? undefined : {};
  };
  await editAuthFile(loginFile(settings), change, signal);
}

function loginFile({ loginFile: file }: RegistrySettings): AuthFile {
  if (file !== undefined) return file;
  throw new EngineError('CONFIG_INVALID', 'there is no file to keep credentials in', {
    hint: 'Name one with --authfile.',
  });
}

function keyOf({ registry, path }: LoginTarget, { format }: AuthFile): string {
  if (path === undefined) return authKeyOf(registry);
  if (format === 'podman') return `${registry}/${path}`;
  throw onlyWhole("docker's file");
}

function onlyWhole(where: string): EngineError {
  return new EngineError(
    'USAGE_INVALID',
    `${where} keeps credentials for whole registries; expected HOST[:PORT] alone`,
    { hint: 'For a part of a registry name a file with --authfile, as podman has it.' },
  );
}

function isFor(candidate: string, { registry, path }: LoginTarget, key: string): boolean {
  if (path !== undefined) return candidate === key;
  const fit = fitOf(candidate, { registry, repository: undefined }, 'podman');
  return fit !== undefined;
}

function othersWith({ registry, path }: LoginTarget, settings: RegistrySettings): string[] {
  const scope = { registry, repository: path };
  return settings.authFiles
    .filter((file) => file.path !== settings.loginFile?.path)
    .filter((file) => hasEntry(file, scope))
    .map((file) => file.path);
}

function hasEntry(file: AuthFile, scope: AuthScope): boolean {
  try {
    return findAuthKey(readAuthFile(file), scope) !== undefined;
  } catch (error) {
    // Whoever reads it next is told; what was asked for here is done.
    if (error instanceof EngineError) return false;
    throw error;
  }
}

/** Fields that mean nothing to us stay in the entry. */
function entryOf(before: unknown, credentials: Credentials): JsonObject {
  const { username, password, auth, identitytoken, registrytoken, ...rest } = isJsonObject(before)
    ? before
    : {};
  const secret = credentials.kind === 'password' ? credentials.password : '';
  return {
    ...rest,
    auth: Buffer.from(`${credentials.username}:${secret}`).toString('base64'),
    ...(credentials.kind === 'password' ? {} : { identitytoken: credentials.token }),
  };
}

function withEntry(auths: JsonObject, key: string, entry: JsonObject): JsonObject {
  return Object.fromEntries([...Object.entries(withoutEntries(auths, [key])), [key, entry]]);
}

function withoutEntries(auths: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(auths).filter(([key]) => !keys.includes(key)));
}
