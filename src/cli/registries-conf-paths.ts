/** Where the host's registry configuration is: the places that podman reads. */
import { join, resolve } from 'node:path';
import type { RegistriesConfPaths } from '../core/registry/registries-conf.ts';
import type { RegistrySurroundings } from './registry-environment.ts';

const SYSTEM_FILE = '/etc/containers/registries.conf';
const SYSTEM_DIRECTORY = '/etc/containers/registries.conf.d';
const ALIASES = 'containers/short-name-aliases.conf';

/**
 * `CONTAINERS_REGISTRIES_CONF` takes the place of the main file, the system's and the user's. Touches
 * no file.
 */
export function registriesConfPaths({
  env,
  uid,
  workingDir,
}: RegistrySurroundings): RegistriesConfPaths {
  const named = env.CONTAINERS_REGISTRIES_CONF;
  const home = env.HOME || undefined;
  const ofUser = home === undefined ? undefined : join(home, '.config/containers');
  const cacheDir = uid === 0 ? '/var/cache' : home && join(home, '.cache');
  return {
    system: {
      ...(named ? { file: resolve(workingDir, named), isNamed: true } : { file: SYSTEM_FILE }),
      directory: SYSTEM_DIRECTORY,
    },
    ...(ofUser === undefined
      ? {}
      : {
          user: {
            ...(named ? {} : { file: join(ofUser, 'registries.conf') }),
            directory: join(ofUser, 'registries.conf.d'),
          },
        }),
    ...(cacheDir === undefined ? {} : { shortNameCache: join(cacheDir, ALIASES) }),
  };
}
