/** Containers for tests: a busybox root in memory, run by a supervisor process of its own. */
import { type ChildProcess, execFileSync, type StdioOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { KNOWN_CAPABILITIES } from '../../../src/core/oci/capability-names.ts';
import type { ImageDefaults } from '../../../src/core/oci/image-config.ts';
import { type HostFacts, hardLimits } from '../../../src/core/runtime/host-facts.ts';
import type { RunOptions } from '../../../src/core/runtime/run-options.ts';
import type { WantedVolume } from '../../../src/core/runtime/volumes.ts';
import { fillVolume } from '../../../src/core/volume/fill-volume.ts';

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
const RUNC = ['/usr/sbin/runc', '/usr/bin/runc', '/usr/local/sbin/runc'].find((path) =>
  existsSync(path),
);

/** Why real containers cannot be run here, or false. For the `skip` option of a test. */
export const cannotRunContainers: string | false =
  process.getuid?.() !== 0
    ? 'real containers need root'
    : RUNC === undefined
      ? 'runc is not installed'
      : BUSYBOX === undefined
        ? 'busybox is not installed'
        : false;

/** Options of a plain container; `over` replaces some of them. */
export function runOptions(over: Partial<RunOptions> = {}): RunOptions {
  return {
    image: 'busybox',
    command: ['/bin/true'],
    labels: new Map(),
    annotations: new Map(),
    removeOnExit: true,
    interactive: false,
    tty: false,
    quiet: false,
    pullPolicy: 'new',
    environment: [],
    groupAdd: [],
    mounts: [],
    devices: [],
    readOnly: false,
    shmSizeBytes: 64 * 1024 * 1024,
    network: 'none',
    privileged: false,
    capabilitiesAdded: [],
    capabilitiesDropped: [],
    noNewPrivileges: false,
    seccomp: { kind: 'default' },
    rlimits: [],
    init: false,
    ...over,
  };
}

/** A machine where everything is allowed; `over` takes some of it away. */
export function hostFacts(over: Partial<HostFacts> = {}): HostFacts {
  return {
    capabilities: new Set(KNOWN_CAPABILITIES),
    hardLimits: hardLimits(''),
    cgroupVersion: 'v1',
    cgroupControllers: new Set(['memory', 'cpu', 'pids']),
    hasSwapLimit: true,
    architecture: 'amd64',
    kernelRelease: '6.1.0-18-amd64',
    hostname: 'machine',
    cpuCount: 4,
    thermalPaths: [],
    hasForeignFormats: false,
    ...over,
  };
}

/** What the supervisor is told. */
export interface SuperviseRequest {
  readonly bundleDir: string;
  readonly containerId: string;
  readonly runtimeRoot: string;
  readonly options: RunOptions;
  readonly image: ImageDefaults;
  readonly isCopied: boolean;
}

/** Maps and big integers survive the way through an argument. */
export function encodeRequest(request: SuperviseRequest): string {
  return JSON.stringify(request, (_key, value: unknown) =>
    value instanceof Map
      ? { map: [...value] }
      : typeof value === 'bigint'
        ? { bigint: String(value) }
        : value,
  );
}

/** The inverse of `encodeRequest`. */
export function decodeRequest(argument: string): SuperviseRequest {
  return JSON.parse(argument, (_key, value) =>
    Array.isArray(value?.map)
      ? new Map(value.map)
      : typeof value?.bigint === 'string'
        ? BigInt(value.bigint)
        : value,
  );
}

/** Volumes as directories below `parent`, filled as they should be. */
export async function plainVolumes(
  parent: string,
  wanted: readonly WantedVolume[],
): Promise<string[]> {
  const directories = wanted.map(({ name, destination, content }) => {
    const directory = join(parent, name ?? encodeURIComponent(destination));
    mkdirSync(directory, { recursive: true });
    return fillVolume(directory, {
      durable: false,
      ...(content === undefined ? {} : { source: content }),
    });
  });
  return await Promise.all(directories);
}

/** A directory in memory, removed with everything in it. */
export class ScratchDirectory implements Disposable {
  readonly path: string;

  constructor() {
    const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    this.path = mkdtempSync(join(parent, 'dray-runtime-'));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

const APPLETS =
  'sh true false cat ls id mount env sleep stat hostname echo kill ulimit mkdir touch grep dd wc ' +
  'test mknod chmod chown ps head tail sed tr tty stty';

/** Makes a busybox root at `directory` with `extra` files on top of it. */
export function makeRootfs(directory: string): void {
  mkdirSync(join(directory, 'bin'), { recursive: true });
  mkdirSync(join(directory, 'etc'));
  copyFileSync(BUSYBOX ?? '', join(directory, 'bin/busybox'));
  for (const applet of APPLETS.split(' ')) {
    symlinkSync('busybox', join(directory, 'bin', applet));
  }
}

const POLL_MS = 10;
/** Longer than a watch looks for a container that was only being started. */
export const WATCH_ENDS_MS = 20_000;

/** What to run. */
export interface ContainerRequest {
  readonly options?: Partial<RunOptions>;
  readonly image?: ImageDefaults;
  /** Changes the root before it is used. */
  readonly prepare?: (rootfs: string) => void;
  readonly stdin?: Readable | 'pipe' | number;
  /** Have runc stay and copy, whatever the descriptors are. */
  readonly isCopied?: boolean;
  /** Descriptors from 4 on that the supervisor inherits. */
  readonly inherited?: readonly number[];
  /** The supervisor gets a process group of its own, so that all of it can be killed. */
  readonly detached?: boolean;
  /** The supervisor gets a terminal of its own, by script(1). */
  readonly terminal?: boolean;
}

/** Why there is no terminal for tests here, or false. For the `skip` option of a test. */
export const cannotMakeTerminal: string | false = existsSync('/usr/bin/script')
  ? false
  : 'there is no script(1) to make a terminal with';

/** What the supervisor reported, all lines in one. */
export interface Report {
  readonly supervisorPid?: number;
  readonly watchPid?: number;
  readonly runcPid?: number;
  readonly startedPid?: number;
  readonly stopSignal?: number;
  readonly warnings?: readonly string[];
  readonly status?: number;
  readonly isStarted?: boolean;
  readonly code?: string;
  readonly message?: string;
}

function supervisorCommand(argument: string, terminal: boolean): [string, string[]] {
  const args = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'supervise.ts')];
  if (!terminal) {
    return [process.execPath, [...args, argument]];
  }
  const words = [process.execPath, ...args, argument].map((word) => `'${word}'`);
  return [
    '/usr/bin/script',
    ['-qefc', `stty rows 33 cols 111; exec ${words.join(' ')}`, '/dev/null'],
  ];
}

/** A supervisor that was started. Disposing removes its files, after it has ended. */
export class Supervised implements AsyncDisposable {
  readonly scratch = new ScratchDirectory();
  readonly containerId = randomBytes(32).toString('hex');
  readonly runtimeRoot: string;
  readonly process: ChildProcess;
  readonly report: Report = {};
  readonly #stdout: Promise<string>;
  readonly #stderr: Promise<string>;
  readonly #ended: Promise<number | null>;
  readonly #lines: Promise<void>;
  #waiting: (() => void)[] = [];

  constructor(request: ContainerRequest) {
    const bundleDir = this.scratch.path;
    this.runtimeRoot = join(bundleDir, 'runc');
    makeRootfs(join(bundleDir, 'rootfs'));
    request.prepare?.(join(bundleDir, 'rootfs'));
    const argument = encodeRequest({
      bundleDir,
      containerId: this.containerId,
      runtimeRoot: this.runtimeRoot,
      options: runOptions(request.options),
      isCopied: request.isCopied ?? false,
      image: request.image ?? {},
    });
    const stdio: StdioOptions = [request.stdin ?? 'ignore', 'pipe', 'pipe', 'pipe'];
    this.process = spawn(...supervisorCommand(argument, request.terminal ?? false), {
      stdio: [...stdio, ...(request.inherited ?? [])],
      detached: request.detached ?? false,
    });
    this.#stdout = text(this.process.stdout as Readable);
    this.#stderr = text(this.process.stderr as Readable);
    this.#ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.#lines = this.#readReport(this.process.stdio[3] as Readable);
  }

  /** Waits until the supervisor has reported this. */
  async reported(key: keyof Report): Promise<number> {
    while (this.report[key] === undefined) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return Number(this.report[key]);
  }

  /** Waits for the end of the supervisor and of all output. */
  async ended(): Promise<{ readonly stdout: string; readonly stderr: string } & Report> {
    await this.#ended;
    await this.#lines;
    return { stdout: await this.#stdout, stderr: await this.#stderr, ...this.report };
  }

  async #readReport(stream: Readable): Promise<void> {
    let rest = '';
    for await (const chunk of stream) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) Object.assign(this.report, JSON.parse(line));
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** Ends it if need be, waits until its watch has cleaned up, and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL');
    await this.#ended;
    const { watchPid = 0 } = this.report;
    for (const start = performance.now(); isAlive(watchPid); ) {
      if (performance.now() - start > WATCH_ENDS_MS) throw new Error('the watch does not end');
      await delay(POLL_MS);
    }
    this.scratch[Symbol.dispose]();
  }
}

/** Whether a process runs. A zombie has ended, whoever inherited it may take its time to look. */
export function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return false;
  }
}

/** Runs one container to its end. */
export async function runToEnd(request: ContainerRequest) {
  await using supervised = new Supervised(request);
  return await supervised.ended();
}

/** Runs a shell script in a container and returns what it printed; fails when it did not end well. */
export async function outputOf(script: string, request: ContainerRequest = {}): Promise<string> {
  const options = { ...request.options, command: ['/bin/sh', '-c', script] };
  const end = await runToEnd({ ...request, options });
  if (end.status !== 0) throw new Error(`status ${end.status}: ${end.stderr} ${end.message ?? ''}`);
  return end.stdout;
}

/** Directories of control groups whose name holds `containerId`. */
export function controlGroupsOf(containerId: string): string[] {
  const found = execFileSync('find', ['/sys/fs/cgroup', '-type', 'd', '-name', `*${containerId}*`]);
  return found.toString().split('\n').filter(Boolean);
}

/** Gives a root a user `app` in the group `audio`, and a group `video`. */
export function makeAccounts(rootfs: string): void {
  writeFileSync(
    join(rootfs, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n',
  );
  writeFileSync(
    join(rootfs, 'etc/group'),
    'root:x:0:\napp:x:1000:\naudio:x:29:other,app\nvideo:x:44:\n',
  );
}
