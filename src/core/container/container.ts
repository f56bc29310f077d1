/** A container whose lock this process holds: one that it supervises, or has claimed to remove. */
import { readdirSync, renameSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { hasErrno } from '../errors.ts';
import type { FileLock } from '../host/file-lock.ts';
import { withSystemErrors } from '../host/libc.ts';
import { isLitterAt } from './container-directory.ts';
import type { ContainerId } from './container-id.ts';
import { releaseName } from './container-names.ts';
import {
  containerDir,
  createdFile,
  exitFile,
  healthFile,
  lockPath,
  pidFile,
  recordFile,
  removedDir,
  runFile,
  stopFile,
} from './container-paths.ts';
import {
  type ContainerExit,
  type ContainerRecord,
  encodeExit,
  parseExit,
  parseRecord,
} from './container-record.ts';
import { encodeRunState, type RunFacts, readRunState } from './run-state.ts';
import { readTolerant } from './tolerant-file.ts';

/** One block of most file systems; an end is shorter. */
const EXIT_BYTES = 4096;

/** What a held container is made from; for the container module itself. */
export interface HeldContainer {
  readonly dataDir: string;
  readonly id: ContainerId;
  /** Undefined when the record is damaged; such a container can only be removed. */
  readonly record: ContainerRecord | undefined;
  readonly lock: FileLock;
}

/**
 * A container that nobody else can touch until this is disposed or the process ends. Disposing lets
 * go of it and leaves it where it is.
 */
export class Container implements Disposable {
  readonly id: ContainerId;
  /** The container's directory (absolute, 0700). */
  readonly directory: string;
  readonly record: ContainerRecord | undefined;
  readonly #dataDir: string;
  readonly #lock: FileLock;
  readonly #afterRemoval: (() => void)[] = [];
  #isRemoved = false;

  constructor({ dataDir, id, record, lock }: HeldContainer) {
    this.id = id;
    this.directory = containerDir(dataDir, id);
    this.record = record;
    this.#dataDir = dataDir;
    this.#lock = lock;
  }

  /** Descriptor of the lock, for children that share it. */
  get lockFd(): number {
    return this.#lock.fd;
  }

  /** Whether it should go, now that nobody supervises it. */
  isLitter(): boolean {
    return isLitterAt(this.directory);
  }

  /** Lets the container wait for its start without a supervisor: from here on it is no litter. */
  keepUntilStarted(): void {
    withSystemErrors(`while keeping ${this.directory}`, () =>
      writeFileSync(createdFile(this.directory), '', { mode: 0o600 }),
    );
  }

  /**
   * Writes down what this run needs to be ended by somebody else, and makes room for its end. Before
   * runc is started.
   *
   * @throws SystemCallError
   */
  beginRun(facts: RunFacts): void {
    withSystemErrors(`while making room in ${lockPath(this.directory)}`, () =>
      this.#lock.reserve(EXIT_BYTES),
    );
    replaceFile(runFile(this.directory), encodeRunState(facts));
  }

  /** Shows that a run is over and that another follows. @throws SystemCallError */
  awaitRestart(restartCount: number): void {
    const state = readRunState(this.directory);
    if (state !== undefined) this.beginRun({ ...state, restartCount });
    rmSync(pidFile(this.directory), { force: true });
  }

  /**
   * Takes a container that has run before back to where it was before its first start. Killed in the
   * middle, it is exited or created.
   *
   * @throws SystemCallError
   */
  forgetLastRun(): void {
    const { directory } = this;
    this.keepUntilStarted();
    withSystemErrors(`while cleaning ${directory}`, () => {
      this.#lock.write('');
      for (const path of [exitFile(directory), pidFile(directory), stopFile(directory)]) {
        rmSync(path, { force: true });
      }
      rmSync(healthFile(directory), { force: true });
    });
  }

  /** The end that a supervisor wrote down on a disk that had no room for its file. */
  unfiledExit(): ContainerExit | undefined {
    return readTolerant(lockPath(this.directory), parseExit);
  }

  /**
   * Writes down how the container ended. Those who wait hear it when the lock is free. One that stays
   * has it in a file, too: readers see all of it or nothing; a power cut may lose it. On a full disk
   * the lock alone has it, where `beginRun` has made room.
   *
   * @throws SystemCallError
   */
  recordExit(exit: ContainerExit): void {
    const text = encodeExit(exit);
    try {
      this.#lock.write(text);
    } catch {
      // A disk that breaks: those who wait learn only that it is over.
    }
    if (this.record?.removeOnExit !== true) replaceFile(exitFile(this.directory), text);
  }

  /**
   * Removes the container and all that is in its directory; its name is free afterwards. Nothing may
   * be mounted there. Idempotent. Killed in the middle, it leaves a directory that
   * `ContainerStore.sweepDead` removes.
   *
   * @throws SystemCallError
   */
  remove(): void {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    const removed = removedDir(this.#dataDir, this.id);
    withSystemErrors(`while removing ${this.directory}`, () => {
      // The name first: while the directory is there, nobody else takes it. It may be a new one.
      const name = readTolerant(recordFile(this.directory), parseRecord)?.name;
      if (name !== undefined) releaseName(this.#dataDir, name, this.id);
      renameSync(this.directory, removed);
      removeLocked(removed);
    });
    for (const work of this.#afterRemoval) work();
  }

  /** Has `work` done when `remove` has removed the container. */
  afterRemoval(work: () => void): void {
    this.#afterRemoval.push(work);
  }

  /** Leaves the container to the child that was given `lockFd`. Disposing does nothing then. */
  handOver(): void {
    this.#lock.release();
  }

  [Symbol.dispose](): void {
    this.#lock.unlock();
  }
}

function replaceFile(path: string, text: string): void {
  withSystemErrors(`while writing ${path}`, () => {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  });
}

/** Removes a directory whose lock the caller holds. The lock file goes last: it keeps others away. */
export function removeLocked(directory: string): void {
  for (const name of readdirSync(directory, 'buffer')) {
    if (name.toString('latin1') === 'lock') continue;
    rmSync(Buffer.concat([Buffer.from(`${directory}/`), name]), { recursive: true, force: true });
  }
  unlinkSync(lockPath(directory));
  try {
    rmdirSync(directory);
  } catch (error) {
    // Without the lock file others may have removed it, too, or have begun to.
    if (!hasErrno(error, 'ENOENT') && !hasErrno(error, 'ENOTEMPTY')) throw error;
  }
}
