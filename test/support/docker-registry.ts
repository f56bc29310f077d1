/** Debian's own docker-registry on a loopback port, and skopeo to put images into it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LayoutImage } from './real-images.ts';

const run = promisify(execFile);

/** One line of the registry's access log. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly sizeBytes: number;
}

/** What a registry asks of its clients. */
export interface DockerRegistryOptions {
  /** Asks for `REGISTRY_USER` and `REGISTRY_PASSWORD`. */
  readonly hasUsers?: boolean;
  /** Makes it an https registry. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
}

export const REGISTRY_USER = 'me';
export const REGISTRY_PASSWORD = 'registry-password';
/** The line of a htpasswd file for them; nothing here makes bcrypt hashes. */
const HTPASSWD = `${REGISTRY_USER}:$2b$04$Yg7Lx36b298lLqqdemgTfOLT1J4/NzSvSCcyFcU36/2BA9k4eiRkW\n`;

/** A running registry with a file system root of its own; disposing ends it and removes the root. */
export class DockerRegistry implements AsyncDisposable {
  /** `127.0.0.1:PORT`, as it stands in a reference. */
  readonly host: string;
  readonly #process: ChildProcess;
  readonly #directory: string;

  private constructor(process: ChildProcess, directory: string, host: string) {
    this.#process = process;
    this.#directory = directory;
    this.host = host;
  }

  /** Starts one; the kernel chooses the port. `parentDir` is where its blobs go. */
  static async start(
    parentDir = tmpdir(),
    options: DockerRegistryOptions = {},
  ): Promise<DockerRegistry> {
    const directory = mkdtempSync(join(parentDir, 'dray-registry-'));
    const configFile = join(directory, 'config.json');
    writeFileSync(join(directory, 'htpasswd'), HTPASSWD);
    writeFileSync(configFile, JSON.stringify(configuration(directory, options)));
    const accessLog = join(directory, 'access.log');
    // The access log goes to a file so that nobody has to drain a pipe for the registry to go on.
    const child = spawn(
      'sh',
      ['-c', 'exec docker-registry serve "$1" >"$2"', 'sh', configFile, accessLog],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    try {
      return new DockerRegistry(child, directory, await listeningAddress(child));
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Every request answered so far, oldest first. */
  requests(): LoggedRequest[] {
    const log = readFileSync(join(this.#directory, 'access.log'), 'utf8');
    return [...log.matchAll(/"([A-Z]+) (\S+) HTTP\/[0-9.]+" (\d+) (\d+)/g)].map((line) => ({
      method: line[1] ?? '',
      path: line[2] ?? '',
      status: Number(line[3]),
      sizeBytes: Number(line[4]),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function configuration(directory: string, { hasUsers, tls }: DockerRegistryOptions): object {
  const htpasswd = { realm: 'test', path: join(directory, 'htpasswd') };
  const certificate = tls && { tls: { certificate: tls.certFile, key: tls.keyFile } };
  return {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: join(directory, 'root') }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0', ...certificate },
    ...(hasUsers ? { auth: { htpasswd } } : {}),
  };
}

/** Waits for the line in which the registry says where it listens; afterwards its log is dropped. */
function listeningAddress(child: ChildProcess): Promise<string> {
  const { stderr } = child;
  if (stderr === null) throw new Error('the registry was started without a pipe for its log');
  return new Promise((resolve, reject) => {
    let log = '';
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`docker-registry ended at once: ${log}`)));
    stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-65_536);
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(log)?.[1];
      if (address !== undefined) resolve(address);
    });
  });
}

/** How skopeo writes an image that it pushes. Docker's schema 2 has no media type for zstd. */
export interface PushOptions {
  readonly format: 'oci' | 'v2s2';
  /** What the layers become; they stay as they are in the layout when absent. */
  readonly compression?: 'gzip' | 'zstd' | 'none';
}

/** Copies an image of a layout to a registry as `repository:tag` and returns its reference. */
export async function pushWithSkopeo(
  image: LayoutImage,
  target: { readonly registry: DockerRegistry; readonly name: string },
  { format, compression }: PushOptions,
): Promise<string> {
  const reference = `${target.registry.host}/${target.name}`;
  const source = `oci:${image.layoutDir}:${image.tag}`;
  const destination = ['--dest-tls-verify=false', `docker://${reference}`];
  if (compression === undefined || compression === 'gzip') {
    await skopeoCopy(['--format', format, source, ...destination]);
    return reference;
  }
  // Recompressed on the way to the registry, a layer could be replaced by one that skopeo knows to
  // be there in another compression; a copy that preserves digests cannot.
  const scratchDir = mkdtempSync(join(tmpdir(), 'dray-recompressed-'));
  try {
    const [option, transport] =
      compression === 'none'
        ? [['--dest-decompress'], 'dir']
        : [['--dest-compress', '--dest-compress-format', compression], 'oci'];
    const between = `${transport}:${scratchDir}${transport === 'oci' ? ':latest' : ''}`;
    await skopeoCopy(['--format', format, ...option, source, between]);
    await skopeoCopy(['--preserve-digests', between, ...destination]);
  } finally {
    rmSync(scratchDir, { recursive: true, force: true });
  }
  return reference;
}

/** `skopeo copy` with any other arguments, for the archive formats. */
export async function skopeoCopy(argv: readonly string[]): Promise<void> {
  await run('skopeo', ['--insecure-policy', 'copy', '--quiet', ...argv], { maxBuffer: 1 << 26 });
}
