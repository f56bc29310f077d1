/**
 * Attaching a network namespace to a network through plugins (CNI specification, sections 3 and 4):
 * ADD one plugin after the other, each with the result of the one before; DEL in the other order.
 */
import { EngineError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../oci/json-document.ts';
import { CNI_VERSIONS, type CniNetwork, type CniPluginConfig } from './cni-config.ts';
import { type CniCommand, callPlugin } from './cni-plugin.ts';

/** One interface of a container in one network. */
export interface CniAttachment {
  readonly network: CniNetwork;
  readonly containerId: string;
  /** A path of the namespace; absent for a DEL after it has gone. */
  readonly netns?: string;
  /** The interface's name in the container. */
  readonly ifname: string;
  /** `CNI_ARGS`, such as `IgnoreUnknown=1`. */
  readonly args?: Readonly<Record<string, string>>;
  /** Values for capabilities, such as `portMappings`: a plugin gets those that it declares. */
  readonly capabilities?: JsonObject;
}

/** How plugins are run. */
export interface CniSurroundings {
  /** Where plugins are looked for, in this order. */
  readonly pluginDirs: readonly string[];
  readonly signal?: AbortSignal;
}

const CHECK_SINCE = '0.4.0';

/**
 * Adds the interface and returns the last plugin's result. When a plugin fails, what the others have
 * done is undone.
 *
 * @throws EngineError `NETWORK_FAILED`, `HOST_UNSUPPORTED`, `HOST_CALL_FAILED`; the reason of `signal`
 */
export async function addToNetwork(
  attachment: CniAttachment,
  surroundings: CniSurroundings,
): Promise<JsonObject> {
  const version = await chooseVersion(attachment.network, surroundings);
  let prevResult: JsonObject | undefined;
  try {
    for (const plugin of attachment.network.plugins) {
      prevResult = await call('ADD', plugin, { attachment, version, prevResult, ...surroundings });
    }
  } catch (error) {
    await undo(attachment, prevResult, surroundings);
    throw error;
  }
  return prevResult ?? {};
}

/** The first error is the one to report. */
async function undo(
  attachment: CniAttachment,
  result: JsonObject | undefined,
  { pluginDirs }: CniSurroundings,
): Promise<void> {
  try {
    await removeFromNetwork(attachment, result, { pluginDirs });
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
}

/**
 * Asks the plugins whether the interface is as `result`, what ADD returned, says. Networks older than
 * 0.4.0 cannot tell, and some do not want to be asked.
 *
 * @throws EngineError `NETWORK_FAILED` with the words of the plugin that found a difference
 */
export async function checkNetwork(
  attachment: CniAttachment,
  result: JsonObject,
  surroundings: CniSurroundings,
): Promise<void> {
  const { network } = attachment;
  const version = await chooseVersion(network, surroundings);
  if (network.isCheckDisabled || isOlder(version, CHECK_SINCE)) return;
  for (const plugin of network.plugins) {
    await call('CHECK', plugin, { attachment, version, prevResult: result, ...surroundings });
  }
}

/**
 * Removes the interface, its addresses and what else plugins have made. Every plugin is asked, also
 * after one has failed. Idempotent, as plugins are by the specification.
 *
 * @param result what ADD returned, where that is known
 * @throws EngineError of the first plugin that failed
 */
export async function removeFromNetwork(
  attachment: CniAttachment,
  result: JsonObject | undefined,
  surroundings: CniSurroundings,
): Promise<void> {
  const version = await chooseVersion(attachment.network, surroundings);
  const prevResult = isOlder(version, CHECK_SINCE) ? undefined : result;
  let failure: unknown;
  for (const plugin of attachment.network.plugins.toReversed()) {
    try {
      await call('DEL', plugin, { attachment, version, prevResult, ...surroundings });
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}

interface CallContext extends CniSurroundings {
  readonly attachment: CniAttachment;
  readonly version: string;
  readonly prevResult: JsonObject | undefined;
}

async function call(
  command: CniCommand,
  plugin: CniPluginConfig,
  { attachment, version, prevResult, ...surroundings }: CallContext,
): Promise<JsonObject> {
  const { network, containerId, netns = '', ifname, args = {} } = attachment;
  const runtimeConfig = wantedCapabilities(plugin, attachment.capabilities ?? {});
  const { capabilities: _declared, ...own } = plugin;
  return await callPlugin({
    command,
    type: plugin.type,
    config: {
      ...own,
      name: network.name,
      cniVersion: version,
      ...(Object.keys(runtimeConfig).length === 0 ? {} : { runtimeConfig }),
      ...(prevResult === undefined ? {} : { prevResult }),
    },
    env: {
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: ifname,
      CNI_ARGS: Object.entries(args)
        .map(([key, value]) => `${key}=${value}`)
        .join(';'),
    },
    ...surroundings,
  });
}

function wantedCapabilities(plugin: CniPluginConfig, values: JsonObject): JsonObject {
  const declared = isJsonObject(plugin.capabilities) ? plugin.capabilities : {};
  return Object.fromEntries(Object.entries(values).filter(([name]) => declared[name] === true));
}

/** Whether some plugin of the network takes this capability. */
export function hasCapability({ plugins }: CniNetwork, name: string): boolean {
  return plugins.some(
    ({ capabilities }) => isJsonObject(capabilities) && capabilities[name] === true,
  );
}

/** The version of the list; of several that it offers the newest that we and every plugin speak. */
async function chooseVersion(
  { name, cniVersion, cniVersions, plugins }: CniNetwork,
  surroundings: CniSurroundings,
): Promise<string> {
  if (cniVersions.length < 2) return cniVersions[0] ?? cniVersion;
  const known = await Promise.all(
    plugins.map(async ({ type }) => {
      const [newest = ''] = CNI_VERSIONS;
      const config = { cniVersion: newest };
      const answer = await callPlugin({
        command: 'VERSION',
        type,
        config,
        env: {},
        ...surroundings,
      });
      return answer.supportedVersions;
    }),
  );
  const common = cniVersions.find((version) =>
    known.every((versions) => Array.isArray(versions) && versions.includes(version)),
  );
  if (common !== undefined) return common;
  throw new EngineError(
    'NETWORK_FAILED',
    `the plugins of the network "${name}" have no version in common with its list: ${cniVersions.join(', ')}`,
  );
}

function isOlder(version: string, than: string): boolean {
  const [one, other] = [version, than].map((each) => each.split('.').map(Number));
  const at = [0, 1, 2].find((index) => one?.[index] !== other?.[index]);
  return at !== undefined && (one?.[at] ?? 0) < (other?.[at] ?? 0);
}
