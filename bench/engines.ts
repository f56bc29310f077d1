/** The engines that are compared, each with a store in a directory of its own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cost, timeProcess } from './measure.ts';

/** `default` is what the engine gives a container that asks for nothing: a bridge with NAT. */
export type EngineNetwork = 'none' | 'default';

/** An engine with an empty store somewhere. */
export interface BenchEngine {
  readonly name: string;
  fetch(reference: string): Promise<Cost>;
  /** Runs `true` in an image that is there, removes the container. `network` is `none` if absent. */
  run(reference: string, network?: EngineNetwork): Promise<Cost>;
}

const DRAY = new URL('../bin/run', import.meta.url).pathname;

/** dray with its store below `directory`. */
export function drayEngine(directory: string): BenchEngine {
  const env = {
    ...process.env,
    DRAY_ROOT: join(directory, 'store'),
    DRAY_RUN_DIR: join(directory, 'run'),
  };
  return {
    name: 'dray',
    fetch: (reference) => timeProcess([DRAY, 'fetch', '--quiet', reference], env),
    run: (reference, network = 'none') =>
      timeProcess([DRAY, 'run', '--rm', '--network', network, reference, 'true'], env),
  };
}

/**
 * podman with its store below `directory`, set up so that it also works where root may not raise
 * limits and control groups are of version 1.
 */
export function podmanEngine(directory: string): BenchEngine {
  const configFile = join(directory, 'containers.conf');
  mkdirSync(join(directory, 'networks'), { recursive: true });
  writeFileSync(
    configFile,
    `[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1024:1024"]\n` +
      `[network]\nnetwork_config_dir="${directory}/networks"\n`,
  );
  const env = { ...process.env, CONTAINERS_CONF: configFile };
  const podman = [
    'podman',
    ...['--root', join(directory, 'root'), '--runroot', join(directory, 'runroot')],
    ...['--tmpdir', join(directory, 'tmp'), '--cgroup-manager', 'cgroupfs'],
    ...['--events-backend', 'none', '--runtime', 'runc'],
  ];
  const run = ['run', '--rm', '--pull', 'never'];
  return {
    name: 'podman',
    fetch: (reference) =>
      timeProcess([...podman, 'pull', '-q', '--tls-verify=false', reference], env),
    run: (reference, network = 'none') => {
      const flag = network === 'none' ? 'none' : 'bridge';
      return timeProcess([...podman, ...run, '--network', flag, reference, 'true'], env);
    },
  };
}
