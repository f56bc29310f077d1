/** Everything between a mounted root file system and `runc run`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, quote } from '../errors.ts';
import { openRoot } from '../host/resolve-in-root.ts';
import { terminalSize } from '../host/terminal-size.ts';
import type { ImageDefaults } from '../oci/image-config.ts';
import type { RuntimeConfig, RuntimeMount } from '../oci/runtime-spec.ts';
import { parseSignal } from '../oci/signals.ts';
import { defaultMounts, mergeMounts } from './default-mounts.ts';
import { chooseDevices } from './devices.ts';
import { containerEnvironment, DEFAULT_PATH, environmentStrings } from './environment.ts';
import { writeEtcFiles } from './etc-files.ts';
import { assertExecutable } from './executable.ts';
import { assertSafeRootfs } from './guard-rootfs.ts';
import type { HostFacts } from './host-facts.ts';
import { findInitProgram, INIT_DESTINATION } from './init-program.ts';
import { KERNEL_PATHS } from './mount-destination.ts';
import { processArgs } from './process-args.ts';
import { isWithin, resolveRootPath } from './root-path.ts';
import type { RunOptions } from './run-options.ts';
import { buildRuntimeConfig, encodeRuntimeConfig } from './runtime-config.ts';
import { isAtLeast } from './seccomp-file.ts';
import { type ResolvedUser, resolveUser } from './user.ts';
import { type PreparedMounts, type ProvideVolumes, prepareMounts } from './volumes.ts';
import { type MountedRoot, prepareWorkingDirectory } from './working-directory.ts';

/** What the runtime reads of an image config; all of it is untrusted. */
export interface RuntimeImage {
  readonly architecture: string;
  readonly config: ImageDefaults;
}

/** What a bundle is made of. */
export interface BundleInput {
  readonly options: RunOptions;
  readonly image: RuntimeImage;
  /** The container's id, 64 hexadecimal digits. */
  readonly containerId: string;
  /** An existing directory; the root file system is mounted at `rootfs` in it. */
  readonly bundleDir: string;
  readonly provideVolumes: ProvideVolumes;
  readonly host: HostFacts;
}

/** A bundle that is ready for runc. */
export interface PreparedBundle {
  readonly hostname: string;
  readonly config: RuntimeConfig;
  /** Sentences for the user: what was asked for and not given. */
  readonly warnings: readonly string[];
  /** The signal that asks the container's process to end, by number. */
  readonly stopSignal: number;
}

const DEFAULT_STOP_SIGNAL = 'SIGTERM';
const HOSTNAME_DIGITS = 12;

/**
 * Checks the root file system and the options against each other, makes what is missing (working
 * directory, sources of binds, volumes), and writes `config.json`, `hosts`, `hostname` and
 * `resolv.conf` into the bundle directory. Nothing may be mounted below the root yet.
 *
 * @throws EngineError `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE` (decided from the root file
 * system), `USAGE_INVALID`, `IMAGE_INVALID`, `HOST_UNSUPPORTED`
 */
export async function prepareBundle(input: BundleInput): Promise<PreparedBundle> {
  const { options, image, host, bundleDir } = input;
  const stopSignal = chooseStopSignal(options, image);
  const args = processArgs({
    imageEntrypoint: image.config.Entrypoint ?? [],
    imageCommand: image.config.Cmd ?? [],
    entrypoint: options.entrypoint,
    command: options.command,
  });
  const path = join(bundleDir, 'rootfs');
  using handle = openRoot(path);
  const root: MountedRoot = { handle, path };
  assertSafeRootfs(path);
  const user = resolveUser(handle, options.user ?? image.config.User ?? '', options.groupAdd);
  const hostname = chooseHostname(input);
  const mounted = await containerMounts(input, { root, hostname, owner: user });
  const { mounts } = mounted;
  const mountDestinations = mounts.map(({ destination }) => destination);
  const workingDirectory = prepareWorkingDirectory(
    root,
    options.workingDirectory ?? (image.config.WorkingDir || '/'),
    mountDestinations,
  );
  const environment = containerEnvironment({
    image: image.config.Env ?? [],
    settings: options.environment,
    hostname,
    tty: options.tty,
    home: user.home,
  });
  assertExecutable(args[0] ?? '', {
    root,
    searchPath: environment.get('PATH') ?? DEFAULT_PATH,
    directory: workingDirectory,
    mountDestinations,
    user,
    architecture: host.architecture,
    hasForeignFormats: host.hasForeignFormats,
  });
  const { config, warnings } = buildRuntimeConfig({
    ...input,
    imageArchitecture: image.architecture,
    hostname,
    user,
    args: options.init ? [INIT_DESTINATION, '--', ...args] : args,
    env: environmentStrings(environment),
    workingDirectory,
    mounts,
    ...consoleSize(options),
    devices: chooseDevices(options.devices, { rootfsPath: path, privileged: options.privileged }),
  });
  writeFileSync(join(bundleDir, 'config.json'), encodeRuntimeConfig(config), { mode: 0o600 });
  return {
    config,
    hostname,
    warnings: [...mounted.warnings, ...warnings, ...portWarnings(options)],
    stopSignal,
  };
}

function portWarnings({ network, publish = [], publishesAll = false }: RunOptions): string[] {
  const isWanted = publish.length > 0 || publishesAll;
  if (!isWanted || typeof network !== 'string') return [];
  return [`No port is published: with --network ${network} there is nothing to publish.`];
}

// runc sets the size only after the container's process has started, which may have asked by then.
function consoleSize({ tty }: RunOptions) {
  const size = tty ? (terminalSize(0) ?? terminalSize(1)) : undefined;
  return size === undefined ? {} : { consoleSize: { height: size.rows, width: size.columns } };
}

interface MountPlace {
  readonly root: MountedRoot;
  readonly hostname: string;
  readonly owner: ResolvedUser;
}

async function containerMounts(
  { options, image, host, bundleDir, provideVolumes }: BundleInput,
  { root, hostname, owner }: MountPlace,
): Promise<PreparedMounts> {
  const requested = await prepareMounts(options.mounts, Object.keys(image.config.Volumes ?? {}), {
    root,
    provideVolumes,
    privileged: options.privileged,
    owner,
    hasRecursiveReadOnly: isAtLeast(host.kernelRelease, '5.12'),
  });
  const etcFiles = writeEtcFiles({ bundleDir, hostname, options });
  const { shmSizeBytes, privileged } = options;
  const defaults = [
    ...defaultMounts({ shmSizeBytes, privileged }),
    ...Array.from(etcFiles, ([destination, source]) =>
      bindFile(destination, source, options.readOnly ? 'ro' : 'rw'),
    ),
    ...(options.init ? [bindFile(INIT_DESTINATION, findInitProgram(), 'ro')] : []),
  ].flatMap((mount) => withinRoot(mount, root.path));
  return { ...requested, mounts: mergeMounts(defaults, requested.mounts) };
}

function bindFile(destination: string, source: string, access: 'ro' | 'rw'): RuntimeMount {
  return { destination, type: 'bind', source, options: ['bind', 'rprivate', access] };
}

/**
 * The mount at the place that links of the image lead to. /etc/resolv.conf may be a link into
 * /proc; there the kernel says what it reads, and nothing is mounted.
 */
function withinRoot(mount: RuntimeMount, rootfsPath: string): RuntimeMount[] {
  if (mount.type !== 'bind') {
    return [mount];
  }
  const destination = resolveRootPath(rootfsPath, mount.destination);
  return KERNEL_PATHS.some((path) => isWithin(destination, path))
    ? []
    : [{ ...mount, destination }];
}

function chooseHostname({ options, host, containerId }: BundleInput): string {
  const own = containerId.slice(0, HOSTNAME_DIGITS);
  return options.hostname ?? (options.network === 'host' ? host.hostname : own);
}

function chooseStopSignal(options: RunOptions, image: RuntimeImage): number {
  if (options.stopSignal !== undefined) {
    return options.stopSignal;
  }
  const text = image.config.StopSignal || DEFAULT_STOP_SIGNAL;
  const signal = parseSignal(text);
  if (signal === undefined) {
    throw new EngineError('IMAGE_INVALID', `The image has the unknown STOPSIGNAL ${quote(text)}.`, {
      hint: 'Choose one: --stop-signal TERM',
    });
  }
  return signal;
}
