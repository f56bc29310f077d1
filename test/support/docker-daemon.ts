/** Debian's dockerd on a socket of its own, with all its state in a temporary directory. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const START_PATIENCE_MS = 60_000;

/** Whether this machine has a docker daemon that can be started. */
export function hasDockerDaemon(): boolean {
  return ['/usr/sbin/dockerd', '/usr/bin/dockerd'].some((path) => existsSync(path));
}

/** A daemon without networks. Disposing ends it and what it started. */
export class DockerDaemon implements AsyncDisposable {
  readonly #directory: string;
  readonly #child: ChildProcess;

  private constructor(directory: string, child: ChildProcess) {
    this.#directory = directory;
    this.#child = child;
  }

  static async start(): Promise<DockerDaemon> {
    const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    const directory = mkdtempSync(join(base, 'dray-docker-'));
    const at = (name: string) => join(directory, name);
    const argv = [
      ...['--host', `unix://${at('sock')}`, '--pidfile', at('pid')],
      ...['--data-root', at('data'), '--exec-root', at('exec'), '--storage-driver', 'vfs'],
      ...['--bridge', 'none', '--iptables=false', '--ip6tables=false'],
    ];
    const child = spawn('dockerd', argv, { stdio: 'ignore' });
    const daemon = new DockerDaemon(directory, child);
    const deadline = performance.now() + START_PATIENCE_MS;
    while (!(await daemon.#answers())) {
      if (child.exitCode !== null || performance.now() > deadline) {
        await daemon[Symbol.asyncDispose]();
        throw new Error('dockerd does not answer');
      }
      await delay(50);
    }
    return daemon;
  }

  /** Runs the docker client against this daemon; its standard output. */
  async docker(argv: readonly string[]): Promise<string> {
    const host = ['--host', `unix://${join(this.#directory, 'sock')}`];
    return (await run('docker', [...host, ...argv], { maxBuffer: 1 << 26 })).stdout;
  }

  async #answers(): Promise<boolean> {
    try {
      await this.docker(['version']);
      return true;
    } catch {
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      const exited = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      await exited;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
