/**
 * All containers of one data directory. Each is a directory; there is no list besides.
 *
 * A container is made under a name that nobody looks at, locked there, and renamed. So whoever sees
 * a container whose lock is free knows that its supervisor is gone.
 */
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { FileLock } from '../host/file-lock.ts';
import { withSystemErrors } from '../host/libc.ts';
import type { ChainId, DiffId, ImageId } from '../oci/digest.ts';
import type { JsonObject } from '../oci/json-document.ts';
import { Container, removeLocked } from './container.ts';
import {
  type ContainerListing,
  containerEntries,
  isLitterAt,
  lookAtContainer,
  tryLockContainer,
} from './container-directory.ts';
import {
  type ContainerId,
  isContainerId,
  isContainerName,
  newContainerId,
  parseContainerName,
} from './container-id.ts';
import { claimName, holderOf, releaseName } from './container-names.ts';
import {
  containerDir,
  createdFile,
  exitFile,
  freshDir,
  lockPath,
  pidFile,
  recordFile,
  removedDir,
} from './container-paths.ts';
import { type ContainerRecord, parseRecord } from './container-record.ts';
import { waitUntilFree } from './container-wait.ts';
import { pauseBriefly } from './pause.ts';
import { isSupervised, readRunState } from './run-state.ts';
import { readTolerant } from './tolerant-file.ts';

export type { Container } from './container.ts';

/** What a container needs of the store. */
export type ContainerContent = Pick<
  ContainerRecord,
  'imageId' | 'chainId' | 'diffIds' | 'removeOnExit'
>;

/** What a container is made with. */
export interface NewContainer {
  readonly name?: string;
  readonly imageId: ImageId;
  readonly chainId: ChainId;
  readonly diffIds: readonly DiffId[];
  readonly reference?: string;
  readonly command: readonly string[];
  readonly removeOnExit: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** Kept in the record as it is. */
  readonly options?: JsonObject;
}

/**
 * Makes a container and locks it. No sync: a container is worth nothing after a power cut. When this
 * process is killed before the container is started, `sweepDead` removes what is left.
 *
 * @throws EngineError `USAGE_INVALID` for the name, `CONTAINER_NAME_IN_USE`; SystemCallError
 */
function create(dataDir: string, container: NewContainer): Container {
  const name = container.name === undefined ? {} : { name: parseContainerName(container.name) };
  for (;;) {
    const id = newContainerId();
    const fresh = freshDir(dataDir, id);
    const lock = makeLocked(fresh);
    // Undefined: somebody who sweeps came between the directory and its lock.
    if (lock === undefined) continue;
    try {
      const createdAt = new Date().toISOString();
      const record: ContainerRecord = { version: 1, id, ...container, ...name, createdAt };
      withSystemErrors(`while making the container ${fresh}`, () => {
        // The umask may have taken bits that we need. Before it is locked, a sweep may remove it.
        chmodSync(fresh, 0o700);
        writeFileSync(recordFile(fresh), JSON.stringify(record), { mode: 0o600 });
        if (record.name !== undefined) claimName(dataDir, record.name, id);
        renameSync(fresh, containerDir(dataDir, id));
      });
      return new Container({ dataDir, id, record, lock });
    } catch (error) {
      if (name.name !== undefined) releaseName(dataDir, name.name, id);
      rmSync(fresh, { recursive: true, force: true });
      lock.release();
      throw error;
    }
  }
}

function makeLocked(directory: string): FileLock | undefined {
  withSystemErrors(`while making the container ${directory}`, () => {
    try {
      mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
  });
  return tryLockContainer(directory);
}

/**
 * All containers, oldest first; without a lock. A container that goes meanwhile may be left out, a
 * damaged one is listed without a record.
 */
function list(dataDir: string): ContainerListing[] {
  return containerEntries(dataDir)
    .flatMap(({ id, suffix }) => {
      if (suffix === '.new') return [];
      return lookAtContainer(dataDir, id, suffix === '.removed') ?? [];
    })
    .sort((a, b) => (a.record?.createdAt ?? '').localeCompare(b.record?.createdAt ?? ''));
}

/**
 * The container that `input` means: a name, a whole id, or the beginning of one id.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`, also when several ids begin so; it lists them
 */
function find(dataDir: string, input: string): ContainerListing {
  const exact = isContainerId(input) ? input : byName(dataDir, input);
  const found = exact === undefined ? undefined : lookAtContainer(dataDir, exact, false);
  if (found !== undefined) return found;
  const isPrefix = /^[0-9a-f]{1,63}$/.test(input);
  const ids = isPrefix
    ? containerEntries(dataDir).filter(({ id, suffix }) => suffix === '' && id.startsWith(input))
    : [];
  const [only, ...others] = ids;
  const listing =
    only === undefined || others.length > 0 ? undefined : lookAtContainer(dataDir, only.id, false);
  if (listing !== undefined) return listing;
  const why =
    others.length > 0
      ? `${quote(input)} is the beginning of ${ids.length} container ids: ${ids.map(({ id }) => id.slice(0, 16)).join(', ')}`
      : `there is no container ${quote(input)}`;
  throw new EngineError('CONTAINER_NOT_FOUND', why, {
    hint: 'Run "dray list" to see the containers.',
  });
}

/** The record decides: a renaming that was killed may have left a link under the other name. */
function byName(dataDir: string, input: string): ContainerId | undefined {
  const id = isContainerName(input) ? holderOf(dataDir, input) : undefined;
  if (id === undefined) return undefined;
  const record = readTolerant(recordFile(containerDir(dataDir, id)), parseRecord);
  return record === undefined || record.name === input ? id : undefined;
}

/** The container whose lock our parent took and handed down to us as `lockFd`. */
function adopt(dataDir: string, id: ContainerId, lockFd: number): Container {
  const record = readTolerant(recordFile(containerDir(dataDir, id)), parseRecord);
  return new Container({ dataDir, id, record, lock: FileLock.adopt(lockFd) });
}

const CLAIM_ATTEMPTS = 5;

/**
 * Takes the lock of a container whose supervisor is gone; undefined when it lives, or when there is
 * no such container (any more). The caller disposes it.
 */
function claim(dataDir: string, id: ContainerId): Container | undefined {
  const directory = containerDir(dataDir, id);
  for (let attempt = 1; existsSync(directory); attempt += 1) {
    const lock = tryLockContainer(directory);
    if (lock !== undefined) {
      const record = readTolerant(recordFile(directory), parseRecord);
      return new Container({ dataDir, id, record, lock });
    }
    if (attempt === CLAIM_ATTEMPTS) return undefined;
    // Who only looks whether a lock is held holds it for some microseconds.
    pauseBriefly();
  }
  return undefined;
}

/**
 * Claims the containers that are not finished and whose supervisor is gone. The caller ends what may
 * still run of them, removes them or writes down their end, and disposes them. Removes what is left
 * of unfinished creations and removals by itself.
 */
function sweepDead(dataDir: string): Container[] {
  const claimed: Container[] = [];
  for (const { id, suffix } of containerEntries(dataDir)) {
    if (suffix === '.new') removeUnheld(freshDir(dataDir, id));
    else if (suffix === '.removed') removeUnheld(removedDir(dataDir, id));
    else claimed.push(...claimDead(dataDir, id));
  }
  return claimed;
}

/** Whether `sweepDead` would find something to do. Takes no lock, and costs a few looks each. */
function hasDead(dataDir: string): boolean {
  return containerEntries(dataDir).some(({ id, suffix }) => {
    const directory = `${containerDir(dataDir, id)}${suffix}`;
    const isOpen = suffix !== '' || isUnfinished(directory);
    return isOpen && !FileLock.isHeld(lockPath(directory));
  });
}

function claimDead(dataDir: string, id: ContainerId): Container[] {
  const directory = containerDir(dataDir, id);
  if (!isUnfinished(directory) || FileLock.isHeld(lockPath(directory))) return [];
  const container = claim(dataDir, id);
  if (container === undefined) return [];
  // It may have been finished, or begun to wait for its start, between the two looks.
  if (isUnfinished(directory)) return [container];
  container[Symbol.dispose]();
  return [];
}

/**
 * Whether a container that nobody holds needs somebody: it did not end, and does not wait. One that
 * goes when it ends never has an end written down, so for those that stay this is one look.
 */
function isUnfinished(directory: string): boolean {
  if (existsSync(exitFile(directory))) return false;
  return existsSync(pidFile(directory)) || !existsSync(createdFile(directory));
}

const WATCH_PATIENCE_MS = 4000;

/**
 * Waits until the watches of supervisors that were killed have done their work: until then they hold
 * the locks. Costs one look at each container that is held.
 */
async function awaitWatches(dataDir: string): Promise<void> {
  for (const { id, suffix } of containerEntries(dataDir)) {
    const directory = containerDir(dataDir, id);
    if (suffix !== '' || !FileLock.isHeld(lockPath(directory))) continue;
    const run = readRunState(directory);
    if (run !== undefined && !isSupervised(run)) {
      await waitUntilFree(dataDir, id, { timeoutMs: WATCH_PATIENCE_MS });
    }
  }
}

function removeUnheld(directory: string): void {
  if (FileLock.isHeld(lockPath(directory))) return;
  using lock = tryLockContainer(directory);
  if (lock !== undefined) removeLocked(directory);
}

/**
 * What containers need of the store: those that live, and those that ended and are kept. To be
 * called under the exclusive gc lock: a run makes its container while it holds that shared.
 */
function contentInUse(dataDir: string): ContainerContent[] {
  return containerEntries(dataDir).flatMap(({ id, suffix }) => {
    if (suffix !== '') return [];
    const directory = containerDir(dataDir, id);
    const isLive = FileLock.isHeld(lockPath(directory));
    if (!isLive && isLitterAt(directory)) return [];
    return readTolerant(recordFile(directory), parseRecord) ?? [];
  });
}

/** The containers of a data directory. */
export const ContainerStore = {
  create,
  adopt,
  list,
  find,
  claim,
  awaitWatches,
  hasDead,
  sweepDead,
  contentInUse,
} as const;
