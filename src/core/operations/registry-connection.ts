/** The clients and the configuration of registries, made from the settings. */
import type { OnProgress } from '../progress.ts';
import {
  loadRegistriesConf,
  NO_REGISTRIES_CONF,
  type RegistriesConf,
} from '../registry/registries-conf.ts';
import { RegistryClient } from '../registry/registry-client.ts';
import type { RetryBudget } from '../registry/retry.ts';
import type { EngineSettings } from './engine.ts';

/** Options of `connectRegistry`. */
export interface ConnectOptions {
  /** Plain HTTP may be spoken with this registry, beside those that the settings name. */
  readonly isInsecure?: boolean;
  /** Shared by all registries that one operation speaks to. */
  readonly retryBudget?: RetryBudget;
  readonly onProgress?: OnProgress | undefined;
}

/** A client of `registry`, which is not contacted yet. Whoever asks for it disposes it. */
export function connectRegistry(
  registry: string,
  settings: EngineSettings,
  { isInsecure = false, retryBudget, onProgress }: ConnectOptions = {},
): RegistryClient {
  const { insecureRegistries } = settings;
  return new RegistryClient(registry, {
    insecureRegistries: isInsecure ? [...insecureRegistries, registry] : insecureRegistries,
    userAgent: `dray/${settings.version}`,
    registries: settings.registries,
    ...(retryBudget === undefined ? {} : { retryBudget }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
}

/**
 * What registries.conf says; nothing where the settings name no such file.
 *
 * @throws EngineError `CONFIG_INVALID`, `PERMISSION_DENIED`
 */
export async function registriesConfOf(settings: EngineSettings): Promise<RegistriesConf> {
  const { registriesConf } = settings;
  return registriesConf === undefined ? NO_REGISTRIES_CONF : loadRegistriesConf(registriesConf);
}
