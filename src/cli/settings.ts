/** Where flags and environment become settings: the only reader of the environment. */
import { dirname, join, resolve } from 'node:path';
import { EngineError, hasErrno } from '../core/errors.ts';
import type { EngineSettings } from '../core/operations/engine.ts';
import { registriesConfPaths } from './registries-conf-paths.ts';
import { type RegistryFlagValues, registrySettings } from './registry-environment.ts';

/** Values of the global flags that settings are made from. */
export interface SettingsFlags extends RegistryFlagValues {
  readonly root?: string | undefined;
  readonly 'insecure-registry'?: readonly string[] | undefined;
  readonly 'rootfs-backend'?: string | undefined;
}

const DEFAULT_DATA_DIR = '/var/lib/dray';
const DEFAULT_RUN_DIR = '/run/dray';
const DEFAULT_TRUST_POLICY = '/etc/dray/trust.json';
const DEFAULT_NETWORK_CONFIG = '/etc/dray/net.d';
const CNI_DIRS = ['/opt/cni/bin', '/usr/lib/cni'];
const CONTAINERS_POLICY = '/etc/containers/policy.json';

/** `bin/run` renames what it hides from Node; see `callerEnvironment`. */
const HIDDEN_PREFIX = 'DRAY_CALLER_';

/**
 * The engine's settings; a flag wins over its environment variable.
 *
 * @throws EngineError `USAGE_INVALID` for an empty `--root`
 */
export function resolveSettings(flags: SettingsFlags, version: string): EngineSettings {
  if (flags.root === '') {
    throw new EngineError('USAGE_INVALID', '--root is empty; expected the path of a directory');
  }
  const env = process.env;
  const backend = flags['rootfs-backend'];
  const workingDir = workingDirectory();
  const surroundings = { env: callerEnvironment(), uid: process.geteuid?.() ?? 0, workingDir };
  return {
    dataDir: resolve(workingDir, flags.root ?? (env.DRAY_ROOT || DEFAULT_DATA_DIR)),
    runDir: resolve(env.DRAY_RUN_DIR || DEFAULT_RUN_DIR),
    insecureRegistries: [
      ...(flags['insecure-registry'] ?? []),
      ...(env.DRAY_INSECURE_REGISTRIES ?? '').split(/[\s,]+/).filter(Boolean),
    ],
    ...(isBackendName(backend) ? { rootfsBackend: backend } : {}),
    ...(env.DRAY_RUNTIME ? { runcPath: resolve(env.DRAY_RUNTIME) } : {}),
    registries: registrySettings(flags, surroundings),
    registriesConf: registriesConfPaths(surroundings),
    trustPolicyFile: resolve(env.DRAY_TRUST_POLICY || DEFAULT_TRUST_POLICY),
    containersPolicyFile: resolve(env.DRAY_CONTAINERS_POLICY || CONTAINERS_POLICY),
    network: {
      pluginDirs: [
        ...(env.CNI_PATH ?? '').split(':').filter((path) => path.startsWith('/')),
        ...CNI_DIRS,
      ],
      configDir: resolve(env.DRAY_NETWORK_CONFIG || DEFAULT_NETWORK_CONFIG),
    },
    supervisor: supervisorCommand(),
    version,
  };
}

/**
 * Nothing that a supervisor does is worth memory: its code is not optimised, its young objects have
 * little room, and it needs no threads for its garbage.
 */
const SUPERVISOR_FLAGS = [
  '--disable-warning=ExperimentalWarning',
  '--inspect-port=240.0.0.1:1024',
  '--v8-pool-size=0',
  '--max-semi-space-size=1',
];

/** The program of supervisors lies beside the one that runs. */
function supervisorCommand(): string[] {
  const [node = process.execPath, script = ''] = process.argv;
  const name = script.endsWith('.ts') ? 'supervisor-main.ts' : 'supervisor.cjs';
  return [node, ...SUPERVISOR_FLAGS, '--', join(dirname(script), name)];
}

/** What `bin/run` itself sets for Node. */
const OWN_NAMES = ['NODE_COMPILE_CACHE', 'NODE_COMPILE_CACHE_PORTABLE'];

/** The environment as the caller of `bin/run` had it: what `run --env NAME` copies from. */
export function callerEnvironment(): Readonly<Record<string, string | undefined>> {
  const isHidden = (name: string) => name.startsWith(HIDDEN_PREFIX);
  const entries = Object.entries(process.env);
  return Object.fromEntries([
    ...entries.filter(([name]) => !isHidden(name) && !OWN_NAMES.includes(name)),
    ...entries
      .filter(([name]) => isHidden(name))
      .map(([name, value]) => [name.slice(HIDDEN_PREFIX.length), value]),
  ]);
}

/** What relative paths start from; the root when the directory has been removed. */
export function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return '/';
    throw error;
  }
}

/** What a terminal may be sent. */
export interface TerminalManners {
  /** The user did not ask for plain text (NO_COLOR). */
  readonly isColourWelcome: boolean;
  /** Lines can be drawn again in place. */
  readonly canMoveCursor: boolean;
}

/** What the environment says of the terminal; whether there is one is another question. */
export function terminalManners(): TerminalManners {
  const isDumb = process.env.TERM === 'dumb';
  return { isColourWelcome: !isDumb && !process.env.NO_COLOR, canMoveCursor: !isDumb };
}

type BackendName = NonNullable<EngineSettings['rootfsBackend']>;

function isBackendName(name: string | undefined): name is BackendName {
  return name === 'erofs' || name === 'erofs-loop' || name === 'directory';
}
