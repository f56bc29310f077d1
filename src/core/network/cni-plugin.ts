/** Running one plugin (CNI specification, section 2): a program that reads JSON and answers JSON. */
import { join } from 'node:path';
import { EngineError, quote } from '../errors.ts';
import { runToCompletion } from '../host/process.ts';
import { isProgram } from '../host/program.ts';
import { isJsonObject, type JsonObject } from '../oci/json-document.ts';

/** What a plugin is asked to do. */
export type CniCommand = 'ADD' | 'CHECK' | 'DEL' | 'VERSION';

/** One call of a plugin. */
export interface PluginCall {
  readonly command: CniCommand;
  /** The name of the program. */
  readonly type: string;
  /** What it reads. */
  readonly config: JsonObject;
  /** Where plugins are looked for, in this order; absolute. */
  readonly pluginDirs: readonly string[];
  /** `CNI_CONTAINERID`, `CNI_NETNS` and so on. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 60_000;
const LARGEST_ANSWER_BYTES = 4 * 1024 * 1024;
/** Where plugins find iptables and its like. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const PACKAGE_HINT =
  'Install the plugins: apt-get install containernetworking-plugins. Without them, use --network none or --network host.';

/**
 * Runs a plugin and returns what it answers; an empty object when that is nothing.
 *
 * @throws EngineError `NETWORK_FAILED` with the plugin's own words, `HOST_UNSUPPORTED` when the
 *   program is missing, `HOST_CALL_FAILED` when it takes longer than a minute; the reason of `signal`
 */
export async function callPlugin(call: PluginCall): Promise<JsonObject> {
  const { command, type, config, pluginDirs, env, signal } = call;
  const { status, signalName, stdout, stderr } = await runToCompletion([findPlugin(call)], {
    env: { PATH, CNI_COMMAND: command, CNI_PATH: pluginDirs.join(':'), ...env },
    stdin: JSON.stringify(config),
    timeoutMs: TIMEOUT_MS,
    maxOutputBytes: LARGEST_ANSWER_BYTES,
    cwd: '/',
    ...(signal === undefined ? {} : { signal }),
  });
  const answer = parseAnswer(stdout);
  if (status === 0 && answer !== undefined) return answer;
  const reason = pluginError(answer) ?? stderr.toString('utf8').trim().split('\n').at(-1) ?? '';
  const how = reason === '' ? `it ended with ${signalName ?? `status ${status}`}` : reason;
  throw new EngineError('NETWORK_FAILED', `the network plugin ${quote(type)} failed: ${how}`);
}

/** The words of an error result, with its details; undefined when it is none. */
function pluginError(answer: JsonObject | undefined): string | undefined {
  if (typeof answer?.msg !== 'string' || answer.msg === '') return undefined;
  const details = typeof answer.details === 'string' && answer.details !== '' ? answer.details : '';
  return details === '' ? answer.msg : `${answer.msg}: ${details}`;
}

/** Undefined for what is no JSON object; nothing at all is one, as after DEL. */
function parseAnswer(bytes: Buffer): JsonObject | undefined {
  const text = bytes.toString('utf8').trim();
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The path of a plugin. @throws EngineError `HOST_UNSUPPORTED` */
export function findPlugin({ type, pluginDirs }: Pick<PluginCall, 'type' | 'pluginDirs'>): string {
  const path = pluginDirs.map((directory) => join(directory, type)).find(isProgram);
  if (path !== undefined) return path;
  throw new EngineError(
    'HOST_UNSUPPORTED',
    `the network plugin ${quote(type)} is not installed in ${pluginDirs.join(' or ')}`,
    { hint: PACKAGE_HINT },
  );
}
