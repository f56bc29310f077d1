/**
 * Credential helpers: programs `docker-credential-NAME` that keep credentials elsewhere.
 *
 * | call | reads | writes |
 * |---|---|---|
 * | `get` | the server's URL | `{"ServerURL", "Username", "Secret"}` |
 * | `store` | `{"ServerURL", "Username", "Secret"}` | |
 * | `erase` | the server's URL | |
 * | `list` | | `{URL: user name}` |
 *
 * Secrets pass through pipes, never through arguments. The user name `<token>` says that the secret is
 * an identity token. A helper that is missing, fails, hangs or answers nonsense is an error: nothing
 * else takes its place.
 */
import { isAbsolute, join } from 'node:path';
import { EngineError, type EngineErrorOptions, quote } from '../errors.ts';
import { runToCompletion } from '../host/process.ts';
import { isProgram } from '../host/program.ts';
import { type Credentials, hideCredentials } from './credentials.ts';

/** A helper and its surroundings. */
export interface CredentialHelper {
  /** What stands behind `docker-credential-`. */
  readonly name: string;
  /** The file that names it, for errors. */
  readonly namedBy: string;
  /** The helper is looked up in its PATH. */
  readonly environment: Readonly<Record<string, string>>;
  /** 30 s when absent. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 256 * 1024;
const NAME = /^[A-Za-z0-9._-]{1,100}$/;
const TOKEN_USER = '<token>';
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Asks a helper for the credentials of a server; undefined when it has none.
 *
 * @throws EngineError `CREDENTIALS_UNAVAILABLE`; the reason of `signal`.
 */
export async function getFromHelper(
  helper: CredentialHelper,
  server: string,
): Promise<Credentials | undefined> {
  const answer = await call(helper, 'get', server);
  if (answer === 'not found') return undefined;
  const { Username: username, Secret: secret } = parseAnswer(answer, helper, 'get');
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') {
    throw unusable(helper, '"get" gave no Username or no Secret');
  }
  const credentials: Credentials =
    username === TOKEN_USER
      ? { kind: 'identity-token', username: '', token: secret }
      : { kind: 'password', username, password: secret };
  hideCredentials(credentials);
  return credentials;
}

/**
 * Gives credentials to a helper, which replaces what it has for the server.
 *
 * @throws as `getFromHelper`.
 */
export async function storeInHelper(
  helper: CredentialHelper,
  server: string,
  credentials: Credentials,
): Promise<void> {
  hideCredentials(credentials);
  const [username, secret] =
    credentials.kind === 'password'
      ? [credentials.username, credentials.password]
      : [TOKEN_USER, credentials.token];
  const entry = { ServerURL: server, Username: username, Secret: secret };
  await call(helper, 'store', JSON.stringify(entry));
}

/**
 * Makes a helper forget a server. Idempotent.
 *
 * @returns false when the helper says that it knew nothing of it; not all of them do.
 * @throws as `getFromHelper`.
 */
export async function eraseFromHelper(helper: CredentialHelper, server: string): Promise<boolean> {
  return (await call(helper, 'erase', server)) !== 'not found';
}

/**
 * The servers that a helper has credentials for.
 *
 * @throws as `getFromHelper`.
 */
export async function listHelper(helper: CredentialHelper): Promise<string[]> {
  const answer = await call(helper, 'list', '');
  return answer === 'not found' ? [] : Object.keys(parseAnswer(answer, helper, 'list'));
}

type Action = 'get' | 'store' | 'erase' | 'list';

async function call(
  helper: CredentialHelper,
  action: Action,
  input: string,
): Promise<Buffer | 'not found'> {
  if (action !== 'store' && /[^\x21-\x7e]/.test(input)) {
    throw unusable(helper, `the server ${quote(input)} is none that it can be asked for`);
  }
  const { environment, signal } = helper;
  const ended = await run(helper, [findProgram(helper), action], {
    env: { ...environment },
    timeoutMs: helper.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    stdin: input,
    signal,
  });
  if (ended.status === 0) return ended.stdout;
  const words = [ended.stdout, ended.stderr].map((bytes) => bytes.toString('utf8').trim());
  if (words.some((text) => /credentials not found/i.test(text))) return 'not found';
  const how = ended.signalName ?? `status ${ended.status}`;
  // A document may hold secrets that nobody knows yet; helpers write their errors as text.
  const said = words.find((text) => text !== '' && !text.includes('{'));
  const quoted = said === undefined ? '' : `; it says ${quote(said)}`;
  throw unusable(helper, `"${action}" ended with ${how}${quoted}`);
}

type Run = typeof runToCompletion;

async function run(
  helper: CredentialHelper,
  argv: readonly string[],
  options: Parameters<Run>[1],
): ReturnType<Run> {
  try {
    return await runToCompletion(argv, options);
  } catch (cause) {
    if (!(cause instanceof EngineError) || options.signal?.aborted) throw cause;
    throw unusable(helper, cause.message, { cause });
  }
}

function findProgram(helper: CredentialHelper): string {
  const { name, namedBy, environment } = helper;
  if (!NAME.test(name)) {
    throw new EngineError(
      'CONFIG_INVALID',
      `${quote(namedBy)} names the credential helper ${quote(name)}; expected letters, digits, ".", "_" and "-"`,
    );
  }
  const program = `docker-credential-${name}`;
  // A relative directory would make it depend on where dray is started.
  const directories = (environment.PATH || DEFAULT_PATH).split(':').filter(isAbsolute);
  const found = directories.map((dir) => join(dir, program)).find(isProgram);
  if (found !== undefined) return found;
  throw unusable(helper, 'it is in no directory of PATH', {
    hint: `Install "${program}", or take it out of "credsStore" or "credHelpers".`,
  });
}

function parseAnswer(
  bytes: Buffer,
  helper: CredentialHelper,
  action: Action,
): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof document === 'object' && document !== null) return { ...document };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  // What it wrote is not shown: it may hold the secret.
  throw unusable(helper, `"${action}" gave no JSON object`);
}

function unusable(
  { name, namedBy }: CredentialHelper,
  why: string,
  options: EngineErrorOptions = {},
): EngineError {
  return new EngineError(
    'CREDENTIALS_UNAVAILABLE',
    `the credential helper ${quote(`docker-credential-${name}`)}, which ${quote(namedBy)} names, failed: ${why}`,
    options,
  );
}
