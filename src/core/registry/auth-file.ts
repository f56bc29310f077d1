/**
 * Files with credentials: docker's `config.json` and podman's `auth.json`, containers-auth.json(5).
 *
 *     { "auths":       { KEY: { "auth": base64("USER:PASSWORD"), "identitytoken": TOKEN } },
 *       "credHelpers": { HOST: NAME },
 *       "credsStore":  NAME }
 *
 * What a file holds never comes into an error: its name and the key of the entry have to do.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { type AuthScope, type Credentials, fitOf, hideCredentials } from './credentials.ts';
import type { AuthFile } from './registry-settings.ts';

/** What an auth file holds. */
export interface AuthFileContent {
  readonly file: AuthFile;
  /** The whole document, with fields that mean nothing to us. */
  readonly document: JsonObject;
  readonly auths: JsonObject;
  readonly credHelpers: ReadonlyMap<string, string>;
  readonly credsStore: string | undefined;
}

/** A JSON object that was parsed and not looked at. */
export type JsonObject = Readonly<Record<string, unknown>>;

const MAX_FILE_BYTES = 4 * 1024 * 1024;

/**
 * Reads a file; one that is missing holds nothing, and so does an empty one.
 *
 * @throws EngineError `CONFIG_INVALID` when it is not such a file, `PERMISSION_DENIED`.
 */
export function readAuthFile(file: AuthFile): AuthFileContent {
  const document = parseDocument(readText(file.path) ?? '', file.path);
  const { credsStore } = document;
  if (credsStore !== undefined && typeof credsStore !== 'string') {
    throw invalid(file.path, '"credsStore" is no string');
  }
  return {
    file,
    document,
    auths: objectAt(document, 'auths', file.path),
    credHelpers: readHelpers(objectAt(document, 'credHelpers', file.path), file.path),
    credsStore: credsStore === '' ? undefined : credsStore,
  };
}

/** Whether somebody named the file and it is not there. */
export function isMissing(file: AuthFile): boolean {
  return file.isNamed && readText(file.path) === undefined;
}

/** The credential helper that a file names for a registry. An empty name means the file itself. */
export function helperOf(content: AuthFileContent, registry: string): string | undefined {
  const scope = { registry, repository: undefined };
  const key = bestKey([...content.credHelpers.keys()], scope, content.file.format);
  if (key === undefined) return content.credsStore;
  return content.credHelpers.get(key) || undefined;
}

/** The key of the entry that fits best; of equals the first. */
export function findAuthKey(content: AuthFileContent, scope: AuthScope): string | undefined {
  return bestKey(Object.keys(content.auths), scope, content.file.format);
}

/**
 * The credentials of one entry; undefined when it holds none, as docker leaves it for a helper.
 *
 * @throws EngineError `CONFIG_INVALID`
 */
export function readEntry({ file, auths }: AuthFileContent, key: string): Credentials | undefined {
  const entry = auths[key];
  const where = `the entry ${quote(key)}`;
  if (!isJsonObject(entry)) throw invalid(file.path, `${where} is no object`);
  const text = (name: string): string => {
    const value = entry[name] ?? '';
    if (typeof value === 'string') return value;
    throw invalid(file.path, `${where} has a ${name} that is no string`);
  };
  const auth = text('auth');
  const decoded = auth === '' ? undefined : decodeAuth(auth);
  if (auth !== '' && decoded === undefined) {
    throw invalid(file.path, `${where} has an auth that is not the base64 of USER:PASSWORD`);
  }
  const username = decoded?.username ?? text('username');
  const password = decoded?.password ?? text('password');
  const token = text('identitytoken');
  if (token !== '') return hidden({ kind: 'identity-token', username, token });
  if (username === '' && password === '') return undefined;
  return hidden({ kind: 'password', username, password });
}

function hidden(credentials: Credentials): Credentials {
  hideCredentials(credentials);
  return credentials;
}

function decodeAuth(auth: string): { username: string; password: string } | undefined {
  if (!/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(auth)) return undefined;
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  // Old versions of docker padded the password.
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
}

function bestKey(
  keys: readonly string[],
  scope: AuthScope,
  format: AuthFile['format'],
): string | undefined {
  let best: { key: string; fit: number } | undefined;
  for (const key of keys) {
    const fit = fitOf(key, scope, format);
    if (fit !== undefined && fit > (best?.fit ?? Number.NEGATIVE_INFINITY)) best = { key, fit };
  }
  return best?.key;
}

function readHelpers(helpers: JsonObject, path: string): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(helpers).map(([key, name]) => {
      if (typeof name === 'string') return [key, name];
      throw invalid(path, `"credHelpers" names no helper for ${quote(key)}`);
    }),
  );
}

function readText(path: string): string | undefined {
  let fd: number;
  try {
    // Without O_NONBLOCK a FIFO that nobody writes to would be waited for.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return undefined;
    throw unreadable(path, error);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw invalid(path, 'it is no regular file');
    if (stats.size > MAX_FILE_BYTES) {
      throw invalid(path, `it has ${stats.size} bytes; expected at most ${MAX_FILE_BYTES}`);
    }
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

function parseDocument(text: string, path: string): JsonObject {
  if (text.trim() === '') return {};
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // Not the cause of ours: its message quotes the file.
    throw invalid(path, 'it is not JSON');
  }
  if (isJsonObject(document)) return document;
  throw invalid(path, 'it is no JSON object');
}

function objectAt(document: JsonObject, name: string, path: string): JsonObject {
  const value = document[name] ?? {};
  if (isJsonObject(value)) return value;
  throw invalid(path, `${quote(name)} is no object`);
}

/** Whether a parsed value is a JSON object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(path: string, why: string): EngineError {
  return new EngineError(
    'CONFIG_INVALID',
    `the file with credentials ${quote(path)} cannot be used: ${why}`,
    { hint: 'Repair it, or move it away and log in again with "dray login".' },
  );
}

function unreadable(path: string, cause: unknown): EngineError {
  const isDenied = hasErrno(cause, 'EACCES') || hasErrno(cause, 'EPERM');
  const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason';
  return new EngineError(
    isDenied ? 'PERMISSION_DENIED' : 'CONFIG_INVALID',
    `the file with credentials ${quote(path)} cannot be opened: ${reason}`,
    { cause },
  );
}
