/** Where registries' credentials, proxies and certificates are: what docker and podman read too. */
import { join, resolve } from 'node:path';
import type { AuthFile, RegistrySettings } from '../core/registry/registry-settings.ts';

/** Values of the flags of `registry-flags.ts`. */
export interface RegistryFlagValues {
  readonly authfile?: string | undefined;
  readonly 'cert-dir'?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** What these settings are made from. */
export interface RegistrySurroundings {
  readonly env: Environment;
  readonly uid: number;
  readonly workingDir: string;
}

const SYSTEM_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
const HOST_CERTIFICATES = ['/etc/containers/certs.d', '/etc/docker/certs.d'];

/** The settings of registries; a flag wins over its environment variable. Touches no file. */
export function registrySettings(
  flags: RegistryFlagValues,
  surroundings: RegistrySurroundings,
): RegistrySettings {
  const { env, workingDir } = surroundings;
  const authFiles = authFilesOf(flags, surroundings);
  const certDir = flags['cert-dir'];
  const bundle = env.DRAY_CA_BUNDLE ? resolve(workingDir, env.DRAY_CA_BUNDLE) : SYSTEM_BUNDLE;
  return {
    authFiles,
    loginFile: authFiles[0],
    helperEnvironment: () => withoutUndefined(env),
    proxies: {
      http: either(env, 'HTTP_PROXY'),
      https: either(env, 'HTTPS_PROXY'),
      all: either(env, 'ALL_PROXY'),
      none: either(env, 'NO_PROXY'),
    },
    certificates: {
      hostDirs: paths(env.DRAY_CERTS_DIRS, workingDir) ?? HOST_CERTIFICATES,
      bundles: [bundle],
      ...(certDir === undefined ? {} : { certDir: resolve(workingDir, certDir) }),
      ...(env.SSL_CERT_FILE ? { caFile: resolve(workingDir, env.SSL_CERT_FILE) } : {}),
      ...(env.SSL_CERT_DIR ? { caDirs: paths(env.SSL_CERT_DIR, workingDir) } : {}),
    },
  };
}

/**
 * A file that is named, by `--authfile` or podman's REGISTRY_AUTH_FILE, is the only one. Else docker's
 * comes first, because that is where `login` writes, and podman's after it.
 */
function authFilesOf(
  { authfile }: RegistryFlagValues,
  { env, uid, workingDir }: RegistrySurroundings,
): AuthFile[] {
  const named = authfile ?? (env.REGISTRY_AUTH_FILE || undefined);
  if (named !== undefined) {
    return [{ path: resolve(workingDir, named), format: 'podman', isNamed: true }];
  }
  const home = env.HOME || '/root';
  const dockerDir = env.DOCKER_CONFIG || join(home, '.docker');
  const runtimeDir = env.XDG_RUNTIME_DIR || `/run/containers/${uid}`;
  const configDir = env.XDG_CONFIG_HOME || join(home, '.config');
  const podman = [
    join(runtimeDir, ...(env.XDG_RUNTIME_DIR ? ['containers'] : []), 'auth.json'),
    join(configDir, 'containers', 'auth.json'),
  ];
  return [
    { path: resolve(workingDir, dockerDir, 'config.json'), format: 'docker', isNamed: false },
    ...podman.map((path): AuthFile => {
      return { path: resolve(workingDir, path), format: 'podman', isNamed: false };
    }),
  ];
}

/** Upper case first, as Go's programs have it. */
function either(env: Environment, name: string): string | undefined {
  return env[name] || env[name.toLowerCase()] || undefined;
}

function paths(list: string | undefined, workingDir: string): string[] | undefined {
  if (!list) return undefined;
  return list
    .split(':')
    .filter((path) => path !== '')
    .map((path) => resolve(workingDir, path));
}

function withoutUndefined(env: Environment): Record<string, string> {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => {
    return entry[1] !== undefined;
  });
  return Object.fromEntries(entries);
}
