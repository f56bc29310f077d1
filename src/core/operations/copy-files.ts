/** `cp`: files and directories between a container and the host. */

import { closeSync, readSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { EngineError, quote } from '../errors.ts';
import { EntryType } from '../oci/layer-index.ts';
import type { OperationOptions } from '../progress.ts';
import { tarOfLive } from '../rootfs/live-tar.ts';
import { type LiveEntry, walkLive } from '../rootfs/live-tree.ts';
import { TreeWriter, type WriteRules, type WriterEntry } from '../rootfs/tree-writer.ts';
import { openContainerFiles } from './container-files.ts';
import type { CopyPath, CopyPlace } from './copy-arguments.ts';
import { copyTarget } from './copy-arguments.ts';
import {
  type Destination,
  openContainerDestination,
  openHostDestination,
} from './copy-destination.ts';
import { type OpenSource, openContainerSource, openHostSource } from './copy-source.ts';
import type { Engine } from './engine.ts';

/** Options of a copy. */
export interface CopyOptions extends OperationOptions {
  /** Keep owners, devices and all extended attributes. */
  readonly archive: boolean;
  /** Copy what a link given as source leads to. */
  readonly followLink: boolean;
}

/** Where the bytes of a stream go to, and come from. */
export interface CopyStreams {
  readonly stdin: AsyncIterable<Buffer>;
  /** Takes a tar to its end. */
  readonly writeTar: (tar: AsyncIterable<Buffer>) => Promise<void>;
}

/**
 * Copies `source` to `destination`, one of which is in a container, running or not; the other may be
 * a tar stream. Docker's rules for names. Nothing of the container is run, and nothing outside its
 * root is read or written for it, whatever links it has or makes meanwhile.
 *
 * Without `archive` what is copied belongs to root at its destination, and setuid bits go when that
 * changes the owner; a tar from a stream keeps its owners. Devices are left out of what is copied to
 * the host then. Killed in the middle, it leaves what was written so far.
 *
 * @throws EngineError `CONTAINER_NOT_FOUND`, `CONTAINER_WRONG_PHASE`, `USAGE_INVALID` for a source
 *   that is not there or a destination that cannot take it, `LAYER_INVALID` for a broken tar;
 *   SystemCallError; the reason of `signal`
 */
export async function copyFiles(
  engine: Engine,
  { source, destination }: { readonly source: CopyPlace; readonly destination: CopyPlace },
  options: CopyOptions & CopyStreams,
): Promise<void> {
  if (source.kind === 'container' && destination.kind !== 'container') {
    using files = await openContainerFiles(engine, source.container);
    using from = openContainerSource(files.rootFd, source.path, options.followLink);
    if (destination.kind === 'stream') {
      await options.writeTar(tarOfLive(namedEntries(from)));
      return;
    }
    using to = openHostDestination(destination.path);
    await copyTree(from, to, { options, makesDevices: options.archive });
    return;
  }
  if (destination.kind !== 'container' || source.kind === 'container') throw wrongPlaces(source);
  using files = await openContainerFiles(engine, destination.container);
  if (files.isReadOnly) throw readOnly(destination.container);
  using to = openContainerDestination(files.rootFd, destination.path);
  if (source.kind === 'stream') {
    await unpack(to, destination.path, options);
    return;
  }
  using from = openHostSource(source.path, options.followLink);
  await copyTree(from, to, { options, makesDevices: true });
}

/** The entries under the name that they have in a tar: the source's own, none for its contents. */
function* namedEntries(source: OpenSource): Generator<LiveEntry> {
  const name = source.path.isContents ? '' : source.name;
  for (const entry of walkLive(source.fd, source.walkOptions)) {
    yield { ...entry, path: [name, entry.path].filter((part) => part !== '').join('/') };
  }
}

interface CopyRules {
  readonly options: CopyOptions;
  readonly makesDevices: boolean;
}

/** Entries between two looks at `signal`, so that it can be aborted at all. */
const ENTRIES_AT_ONCE = 64;

async function copyTree(
  source: OpenSource,
  destination: Destination,
  { options, makesDevices }: CopyRules,
): Promise<void> {
  const { isDirectory, path } = source;
  const target = copyTarget({ isDirectory, path }, destination);
  using directories = destination.directoriesFor(target);
  using writer = new TreeWriter(directories, {
    owner: options.archive ? undefined : { uid: 0, gid: 0 },
    dressesExisting: options.archive,
    makesDevices,
    onWarning: (message) => options.onProgress?.({ type: 'warning', message }),
  });
  const prefix = Buffer.from(target.as).toString('latin1');
  const firstNames = new Map<string, string>();
  let count = 0;
  for (const entry of walkLive(source.fd, source.walkOptions)) {
    if (count % ENTRIES_AT_ONCE === 0) await turn();
    count += 1;
    options.signal?.throwIfAborted();
    const name = [prefix, entry.path].filter((part) => part !== '').join('/');
    const linkTo = entry.linkKey === undefined ? undefined : firstNames.get(entry.linkKey);
    if (entry.linkKey !== undefined) firstNames.set(entry.linkKey, linkTo ?? name);
    writer.begin(writerEntry(entry, name, { linkTo, keepsAll: options.archive }));
    if (linkTo === undefined && entry.node.type === EntryType.file) {
      await copyContent(entry, writer, options.signal);
    }
    writer.end();
  }
  writer.finish();
}

function writerEntry(
  { node, isSparse }: LiveEntry,
  path: string,
  { linkTo, keepsAll }: { readonly linkTo: string | undefined; readonly keepsAll: boolean },
): WriterEntry {
  const isDevice = node.type === EntryType.characterDevice || node.type === EntryType.blockDevice;
  const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs } = node;
  return {
    ...{ path, mode, uid, gid, mtimeSeconds, mtimeNanoseconds, isSparse },
    type: linkTo === undefined ? node.type : EntryType.hardlink,
    link: linkTo ?? (node.type === EntryType.symlink ? node.target : ''),
    sizeBytes: node.type === EntryType.file ? node.sizeBytes : 0,
    major: isDevice ? node.major : 0,
    minor: isDevice ? node.minor : 0,
    xattrs: xattrs.filter(({ name }) => isCopied(name, keepsAll)),
  };
}

/** Labels of the host's policy and overlayfs' marks belong to where a file lies, not to the file. */
function isCopied(name: string, keepsAll: boolean): boolean {
  if (name.startsWith('user.')) return !name.startsWith('user.overlay.');
  return name === 'security.capability' || (keepsAll && name.startsWith('system.posix_acl_'));
}

const CHUNK_BYTES = 1024 * 1024;

async function copyContent(
  entry: LiveEntry,
  writer: TreeWriter,
  signal: AbortSignal | undefined,
): Promise<void> {
  const fd = entry.open();
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let position = 0; ; ) {
      const count = readSync(fd, buffer, 0, buffer.length, position);
      if (count === 0) return;
      writer.write(buffer.subarray(0, count));
      position += count;
      if (count < buffer.length) continue;
      await turn();
      signal?.throwIfAborted();
    }
  } finally {
    closeSync(fd);
  }
}

async function unpack(
  destination: Destination,
  path: CopyPath,
  options: CopyOptions & CopyStreams,
): Promise<void> {
  if (destination.kind !== 'directory') {
    throw new EngineError(
      'USAGE_INVALID',
      `a tar can only be copied into a directory, and ${quote(path.path)} is none`,
    );
  }
  const { unpackTar } = await import('./unpack-tar.ts');
  using directories = destination.directoriesFor({ kind: 'into', as: '' });
  const rules: WriteRules = {
    owner: undefined,
    dressesExisting: true,
    makesDevices: true,
    onWarning: (message) => options.onProgress?.({ type: 'warning', message }),
  };
  using writer = new TreeWriter(directories, rules);
  await unpackTar(options.stdin, writer, options.signal);
}

function wrongPlaces(source: CopyPlace): EngineError {
  const isBoth = source.kind === 'container';
  return new EngineError(
    'USAGE_INVALID',
    isBoth
      ? 'files cannot be copied from one container to another'
      : 'neither the source nor the destination is in a container',
    {
      hint: isBoth
        ? 'Send a tar from one to the other: dray cp A:/path - | dray cp - B:/path'
        : 'Write one of them as CONTAINER:PATH.',
    },
  );
}

function readOnly(container: string): EngineError {
  const message = `the root file system of the container ${quote(container)} is read-only`;
  return new EngineError('USAGE_INVALID', message);
}
