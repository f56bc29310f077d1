/** A file system of known kind and age: a new ext4 image, loop-mounted, gone at the end. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SHARED_MEMORY = '/dev/shm';

/** Options of `LoopExt4.create`. */
export interface LoopExt4Options {
  /** Size of the file system; the image is sparse, so only what is written is used. */
  readonly sizeMiB?: number;
  /** Where the image lies. In memory when absent, so that the disk does not enter a measurement. */
  readonly parentDir?: string;
}

/**
 * A mounted ext4. Disposing unmounts it, and fails when something below it is still in use: that is
 * a leak of whoever used it. A process that exits without disposing unmounts it lazily.
 */
export class LoopExt4 implements Disposable {
  readonly mountPoint: string;
  readonly #directory: string;
  readonly #onExit = (): void => this.#abandon();

  private constructor(directory: string) {
    this.#directory = directory;
    this.mountPoint = join(directory, 'mount');
    process.on('exit', this.#onExit);
  }

  static create({ sizeMiB = 2048, parentDir = defaultParent() }: LoopExt4Options = {}): LoopExt4 {
    const directory = mkdtempSync(join(parentDir, 'dray-ext4-'));
    const image = join(directory, 'image');
    const loop = new LoopExt4(directory);
    try {
      writeFileSync(image, '');
      truncateSync(image, sizeMiB * 1024 * 1024);
      command('mkfs.ext4', '-q', '-F', image);
      mkdirSync(loop.mountPoint);
      command('mount', '-o', 'loop', image, loop.mountPoint);
    } catch (error) {
      loop.#abandon();
      throw error;
    }
    return loop;
  }

  [Symbol.dispose](): void {
    command('umount', this.mountPoint);
    this.#abandon();
  }

  #abandon(): void {
    process.off('exit', this.#onExit);
    try {
      command('umount', '--quiet', '--lazy', this.mountPoint);
    } catch {
      // Not mounted, which is the usual case here.
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function defaultParent(): string {
  return existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir();
}

function command(program: string, ...argv: string[]): void {
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  execFileSync(program, argv, { stdio: 'pipe', env: { ...process.env, PATH: path } });
}
