/** The process of `enter`: what the container's own process was given, and what was asked for. */
import { closeSync, constants } from 'node:fs';
import { EngineError, quote } from '../errors.ts';
import { isErrno, O_PATH, openInRoot } from '../host/libc.ts';
import type { RootHandle } from '../host/resolve-in-root.ts';
import { KNOWN_CAPABILITIES } from '../oci/capability-names.ts';
import {
  isJsonObject,
  type JsonObject,
  requireArray,
  requireObject,
  requireSize,
  requireString,
} from '../oci/json-document.ts';
import type { RuntimeProcess } from '../oci/runtime-spec.ts';
import { capabilitySets } from './capabilities.ts';
import { DEFAULT_PATH, environmentStrings } from './environment.ts';
import { assertExecProgram } from './exec-program.ts';
import type { HostFacts } from './host-facts.ts';
import { chooseRlimits } from './rlimits.ts';
import type { EnvironmentSetting } from './run-options.ts';
import { resolveUser } from './user.ts';

/** What `dray enter` can be told of the process. */
export interface ExecOptions {
  /** Program and arguments, not empty. */
  readonly command: readonly string[];
  /** Settings in the order in which they take effect, on top of the container's own. */
  readonly environment: readonly EnvironmentSetting[];
  /** `USER[:GROUP]`; undefined: as the container's own process. */
  readonly user?: string;
  /** Absolute path inside the container; undefined: as the container's own process. */
  readonly workingDirectory?: string;
  readonly tty: boolean;
  /** All capabilities that this process holds. Seccomp and no_new_privileges stay as they are. */
  readonly privileged: boolean;
}

/** Where the process will run. */
export interface ExecPlace {
  /** The container's root as it is now. */
  readonly root: RootHandle;
  /** The text of the container's `config.json`, which dray wrote. */
  readonly configText: string;
  readonly host: HostFacts;
  readonly consoleSize?: { readonly height: number; readonly width: number };
}

/**
 * Builds the process. User, groups, working directory and program are looked up in the container as
 * it is at this moment, without ever leaving it; nothing of it is run.
 *
 * @throws EngineError `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`, `USAGE_INVALID`,
 *   `STORE_CORRUPT` when `config.json` is damaged
 */
export function execProcess(options: ExecOptions, place: ExecPlace): RuntimeProcess {
  const own = readOwnProcess(place.configText);
  const args = checkedArgs(options.command);
  const user = options.user === undefined ? undefined : resolveUser(place.root, options.user, []);
  const { uid, gid, additionalGids } = user ?? own;
  const environment = execEnvironment(own, options, {
    root: place.root,
    newHome: user?.home,
  });
  const cwd = checkedDirectory(place.root, options.workingDirectory ?? own.cwd);
  assertExecProgram(args[0] ?? '', {
    root: place.root,
    searchPath: environment.get('PATH') ?? DEFAULT_PATH,
    directory: cwd,
    user: { uid, gid, additionalGids },
    architecture: place.host.architecture,
    hasForeignFormats: place.host.hasForeignFormats,
  });
  const wanted = new Set(options.privileged ? KNOWN_CAPABILITIES : own.bounding);
  const granted = KNOWN_CAPABILITIES.filter(
    (name) => wanted.has(name) && place.host.capabilities.has(name),
  );
  return {
    terminal: options.tty,
    ...(place.consoleSize === undefined ? {} : { consoleSize: place.consoleSize }),
    user: { uid, gid, umask: own.umask, additionalGids },
    args,
    env: environmentStrings(environment),
    cwd,
    capabilities: capabilitySets(granted, uid),
    rlimits: chooseRlimits(own.rlimits, place.host.hardLimits).rlimits,
    noNewPrivileges: own.noNewPrivileges,
  };
}

/** The bytes of a process file, with every digit of an unlimited rlimit. */
export function encodeProcess(process: RuntimeProcess): string {
  return JSON.stringify(process, (_key, value: unknown) =>
    typeof value === 'bigint' ? JSON.rawJSON(value.toString()) : value,
  );
}

interface OwnProcess {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  readonly additionalGids: readonly number[];
  readonly env: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly bounding: readonly string[];
  readonly rlimits: RuntimeProcess['rlimits'];
  readonly noNewPrivileges: boolean;
}

function readOwnProcess(configText: string): OwnProcess {
  try {
    const config: unknown = JSON.parse(configText, keepLargeIntegers);
    return parseOwnProcess(requireObject(config, 'the file', 'it'));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof EngineError)) throw error;
    const why = `the container's config.json is damaged: ${error.message}`;
    throw new EngineError('STORE_CORRUPT', why, { cause: error });
  }
}

// An unlimited rlimit is 2^64-1, which a double rounds.
function keepLargeIntegers(_key: string, value: unknown, context?: { source?: string }): unknown {
  const isRounded = typeof value === 'number' && !Number.isSafeInteger(value);
  return isRounded && context?.source !== undefined ? BigInt(context.source) : value;
}

function parseOwnProcess(config: JsonObject): OwnProcess {
  const own = requireObject(config.process, 'process', 'it');
  const user = requireObject(own.user, 'process.user', 'it');
  const capabilities = isJsonObject(own.capabilities) ? own.capabilities : {};
  return {
    uid: requireSize(user.uid, 'user.uid', 'it'),
    gid: requireSize(user.gid, 'user.gid', 'it'),
    umask: requireSize(user.umask ?? 0o022, 'user.umask', 'it'),
    additionalGids: requireArray(user.additionalGids ?? null, 'user.additionalGids', 'it').map(
      (gid) => requireSize(gid, 'user.additionalGids', 'it'),
    ),
    env: new Map(strings(own.env, 'process.env').map(splitVariable)),
    cwd: requireString(own.cwd, 'process.cwd', 'it'),
    bounding: strings(capabilities.bounding, 'capabilities.bounding'),
    rlimits: requireArray(own.rlimits ?? null, 'process.rlimits', 'it').map(parseRlimit),
    noNewPrivileges: own.noNewPrivileges === true,
  };
}

function strings(value: unknown, field: string): string[] {
  return requireArray(value ?? null, field, 'it').map((each) => requireString(each, field, 'it'));
}

function splitVariable(entry: string): [string, string] {
  const separator = entry.indexOf('=');
  return [entry.slice(0, separator), entry.slice(separator + 1)];
}

function parseRlimit(value: unknown): RuntimeProcess['rlimits'][number] {
  const { type, soft, hard } = requireObject(value, 'process.rlimits', 'it');
  const limit = (number: unknown) =>
    typeof number === 'bigint' ? number : BigInt(requireSize(number, 'process.rlimits', 'it'));
  return {
    type: requireString(type, 'process.rlimits', 'it'),
    soft: limit(soft),
    hard: limit(hard),
  };
}

/**
 * The container's own variables, then what was asked for. HOME goes with the user: where the
 * container's is only the home of its own user, another user has another.
 */
function execEnvironment(
  own: OwnProcess,
  options: ExecOptions,
  { root, newHome }: { readonly root: RootHandle; readonly newHome: string | undefined },
): Map<string, string> {
  const environment = new Map(own.env);
  if (options.tty && !environment.has('TERM')) environment.set('TERM', 'xterm');
  if (newHome !== undefined) {
    const ownHome = resolveUser(root, `${own.uid}`, []).home;
    if ((environment.get('HOME') ?? ownHome) === ownHome) environment.set('HOME', newHome);
  }
  for (const { name, value } of options.environment) {
    if (`${name}${value ?? ''}`.includes('\0')) {
      throw new EngineError('USAGE_INVALID', `the variable ${quote(name)} holds a NUL character`);
    }
    if (value === undefined) environment.delete(name);
    else environment.set(name, value);
  }
  return environment;
}

function checkedArgs(command: readonly string[]): readonly string[] {
  const [program] = command;
  if (program === undefined || program === '') {
    throw new EngineError('COMMAND_NOT_FOUND', 'the name of the command to run is empty');
  }
  const broken = command.find((argument) => argument.includes('\0'));
  if (broken === undefined) return command;
  throw new EngineError('USAGE_INVALID', `the argument ${quote(broken)} holds a NUL character`);
}

/**
 * A directory that runc can be told to start in. Through a link of /proc to a descriptor of its own
 * it could be made to start in a directory of the host (CVE-2024-21626), so no such link is taken.
 */
function checkedDirectory(root: RootHandle, directory: string): string {
  const refuse = (why: string) =>
    new EngineError('USAGE_INVALID', `the working directory ${quote(directory)} ${why}`);
  if (!directory.startsWith('/') || directory.includes('\0')) {
    throw refuse('is not an absolute path');
  }
  try {
    closeSync(openInRoot(root.fd, directory, O_PATH | constants.O_DIRECTORY));
    return directory;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw refuse('does not exist in the container');
    if (isErrno(error, 'ENOTDIR')) throw refuse('is not a directory in the container');
    if (isErrno(error, 'ELOOP')) throw refuse('leads through a link that belongs to a process');
    throw error;
  }
}
