/** The engine: settings resolved once, and the store they name. */
import { join } from 'node:path';
import type { RegistriesConfPaths } from '../registry/registries-conf.ts';
import type { RegistrySettings } from '../registry/registry-settings.ts';
import type { BackendName } from '../rootfs/backend.ts';
import { ImageStore } from '../store/image-store.ts';

/** All that the engine needs to know from outside. Paths are absolute. */
export interface EngineSettings {
  /** Where images and containers are kept. */
  readonly dataDir: string;
  /** Volatile state: runc's own. */
  readonly runDir: string;
  /** `host[:port]` of registries that may be spoken to over plain HTTP, besides loopback ones. */
  readonly insecureRegistries: readonly string[];
  /** Credentials, proxies and certificates of registries; none when absent. */
  readonly registries?: RegistrySettings;
  /** Mirrors, blocks and short names of registries; none when absent. */
  readonly registriesConf?: RegistriesConfPaths;
  /** Forces a root file system back-end instead of probing for one. */
  readonly rootfsBackend?: BackendName;
  /** Path of runc; looked up in the usual directories when absent. */
  readonly runcPath?: string;
  /** The command that starts a supervisor; its request is added. Without it nothing is detached. */
  readonly supervisor?: readonly string[];
  /** Where networks come from; the usual directories when absent. */
  readonly network?: {
    /** Where CNI plugins are looked for, in this order. */
    readonly pluginDirs: readonly string[];
    /** CNI configurations of the host's administrator. */
    readonly configDir: string;
  };
  /** dray's own signature policy; it may be missing. Without either path, no signature is asked for. */
  readonly trustPolicyFile?: string;
  /** The policy of containers-policy.json(5); it may be missing. */
  readonly containersPolicyFile?: string;
  /** dray's version, sent to registries and reported. */
  readonly version: string;
}

/** Settings and the open store. Holds no lock and no descriptor, so there is nothing to close. */
export interface Engine {
  readonly settings: EngineSettings;
  readonly store: ImageStore;
}

/**
 * Opens the store, making it when it is missing.
 *
 * @throws EngineError `STORE_UNUSABLE`, `STORE_VERSION_UNSUPPORTED`, `PERMISSION_DENIED`
 */
export function openEngine(settings: EngineSettings): Engine {
  return { settings, store: ImageStore.open(settings.dataDir) };
}

/** Where runc keeps its state. */
export function runtimeRoot({ settings }: Engine): string {
  return join(settings.runDir, 'runc');
}
