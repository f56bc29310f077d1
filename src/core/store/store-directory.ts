/**
 * The data directory itself: that it is ours, that nobody else can read it, that we know its format.
 *
 * `version` is written last when a store is made, so that a store with a version has everything
 * else. A maker that was killed is finished by the next one. The check costs one lstat and one read.
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { syncDirectory } from '../host/atomic-file.ts';
import { encodeLayoutIndex } from './layout-index.ts';
import { withStoreErrors } from './store-error.ts';
import { readStoreFile, writeStoreFile } from './store-file.ts';
import {
  blobsDir,
  gcLockPath,
  imagesDir,
  indexLockPath,
  ingestDir,
  layersDir,
  layoutIndexFile,
  layoutMarkerFile,
  rootfsDir,
  versionFile,
} from './store-paths.ts';

/** The format that this dray reads and writes. */
const STORE_VERSION = 1;
const PRIVATE = 0o700;

/** What the kernel answers where there can be no such directory, as in `/proc` and below a file. */
const IMPOSSIBLE_PATH = ['ENOENT', 'ENOTDIR', 'EEXIST', 'ENAMETOOLONG'];

/** Names that a store which is being made can hold; `lost+found` comes with a fresh file system. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  'oci-layout',
  'index.json',
  'blobs',
  'layers',
  'rootfs',
  'images',
  'containers',
  'volumes',
  'ingest',
  'lock',
  'lock-index',
  'lost+found',
]);

/**
 * Checks the data directory; with `create`, makes the store when there is none. Idempotent, and safe
 * against other processes that do the same and against a kill at any point.
 *
 * Only a store, or an empty directory that becomes one, is made private: a directory that holds
 * something else is refused untouched.
 *
 * @throws EngineError `STORE_UNUSABLE`, `STORE_VERSION_UNSUPPORTED`, `STORE_CORRUPT`,
 *   `PERMISSION_DENIED`
 */
export function prepareStoreDirectory(dataDir: string, create: boolean): void {
  withStoreErrors('open the image store', dataDir, () => {
    const found = withPathErrors(dataDir, () => lstatSync(dataDir, { throwIfNoEntry: false }));
    if (found !== undefined) checkOwner(dataDir, found);
    const isStore = found !== undefined && hasVersion(dataDir);
    if (!isStore && !create) return;
    if (!isStore) makeStore(dataDir, found);
    if (found === undefined || (found.mode & 0o777) !== PRIVATE) makePrivate(dataDir);
  });
}

function checkOwner(dataDir: string, found: Stats): void {
  if (!found.isDirectory()) {
    const what = found.isSymbolicLink() ? 'a symbolic link' : 'not a directory';
    throw new EngineError('STORE_UNUSABLE', `the image store ${quote(dataDir)} is ${what}`, {
      hint: 'Give the real path of a directory with "--root DIR".',
    });
  }
  const euid = process.geteuid?.();
  if (found.uid === euid) return;
  const isRoot = euid === 0;
  throw new EngineError(
    isRoot ? 'STORE_UNUSABLE' : 'PERMISSION_DENIED',
    `the image store ${quote(dataDir)} belongs to user ${found.uid}, and dray runs as user ${euid}`,
    {
      hint: isRoot
        ? 'Choose another store with "--root DIR", or change the owner of this one to root.'
        : 'Run dray as root, or choose a store of your own with "--root DIR".',
    },
  );
}

function hasVersion(dataDir: string): boolean {
  const path = versionFile(dataDir);
  const text = readStoreFile(path, 1024)?.toString('latin1').trim();
  if (text === undefined) return false;
  if (text === String(STORE_VERSION)) return true;
  if (/^[1-9][0-9]{0,8}$/.test(text)) {
    throw new EngineError(
      'STORE_VERSION_UNSUPPORTED',
      `the image store ${quote(dataDir)} has format ${text}, and this dray knows formats up to ${STORE_VERSION}`,
      { hint: 'Use a newer dray, or choose another store with "--root DIR".' },
    );
  }
  throw new EngineError('STORE_CORRUPT', `${quote(path)} holds ${quote(text)}; expected a number`, {
    hint: `Write ${STORE_VERSION} into it if this store was made by this dray.`,
  });
}

function makeStore(dataDir: string, found: Stats | undefined): void {
  if (found !== undefined) refuseForeign(dataDir);
  withPathErrors(dataDir, () => {
    makeParents(dataDir);
    makePrivateDirectory(dataDir);
  });
  for (const directory of [
    ingestDir(dataDir),
    blobsDir(dataDir),
    layersDir(dataDir),
    rootfsDir(dataDir),
    imagesDir(dataDir),
  ]) {
    makePrivateDirectory(directory);
  }
  for (const directory of [blobsDir(dataDir), layersDir(dataDir), rootfsDir(dataDir)]) {
    makePrivateDirectory(`${directory}/sha256`);
  }
  writeStoreFile(dataDir, layoutMarkerFile(dataDir), '{"imageLayoutVersion":"1.0.0"}');
  // Only if missing: another maker may be ready already, have put references, and hold locks.
  writeStoreFile(dataDir, layoutIndexFile(dataDir), encodeLayoutIndex([]), { ifMissing: true });
  for (const path of [gcLockPath(dataDir), indexLockPath(dataDir)]) {
    writeStoreFile(dataDir, path, '', { ifMissing: true, durable: false });
  }
  syncDirectory(dataDir);
  writeStoreFile(dataDir, versionFile(dataDir), `${STORE_VERSION}\n`);
  syncDirectory(dataDir);
}

function refuseForeign(dataDir: string): void {
  const foreign = readdirSync(dataDir).find((name) => !OWN_NAMES.has(name) && name !== 'version');
  if (foreign === undefined) return;
  throw new EngineError(
    'STORE_UNUSABLE',
    `${quote(dataDir)} is neither an image store nor empty: it holds ${quote(foreign)}`,
    { hint: 'Choose an empty or missing directory with "--root DIR".' },
  );
}

function withPathErrors<T>(dataDir: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!IMPOSSIBLE_PATH.some((errno) => hasErrno(error, errno))) throw error;
    throw new EngineError(
      'STORE_UNUSABLE',
      `the image store ${quote(dataDir)} cannot be made: no directory can have this path`,
      {
        hint: 'Choose a path where directories can be made, with "--root DIR".',
        cause: error,
      },
    );
  }
}

/** Not with `recursive`: in Node that never ends where the kernel lets nobody make a directory. */
function makeParents(path: string): void {
  const parent = dirname(path);
  if (parent === path || statSync(parent, { throwIfNoEntry: false })?.isDirectory()) return;
  makeParents(parent);
  try {
    mkdirSync(parent);
  } catch (error) {
    const isThere = statSync(parent, { throwIfNoEntry: false })?.isDirectory();
    if (!isThere) throw error;
  }
}

function makePrivateDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: PRIVATE });
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
  }
  // The umask may have taken bits that we need.
  chmodSync(path, PRIVATE);
}

function makePrivate(dataDir: string): void {
  try {
    chmodSync(dataDir, PRIVATE);
  } catch (error) {
    // A read-only store can still be read, and its mode is its owner's choice.
    if (!hasErrno(error, 'EROFS')) throw error;
  }
}
