/**
 * What the layers of an image mean, without any code of ours: GNU tar unpacks them one over the
 * other, and whiteouts are removed by name before each.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type TarEntrySpec, tarOf } from '../../../support/tar-builder.ts';

/** A layer as entries or as a tar that has no whiteouts. */
export type LayerSpec = readonly TarEntrySpec[] | Buffer;

/** The tar of a layer. */
export function tarOfLayer(layer: LayerSpec): Buffer {
  return Buffer.isBuffer(layer) ? layer : tarOf(layer);
}

/** Runs GNU tar; the status and stderr of a failure are the caller's to judge. */
export function gnuTar(argv: readonly string[], input?: Buffer) {
  return spawnSync('tar', argv, {
    input: input ?? '',
    maxBuffer: 256 * 1024 * 1024,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
}

const EXTRACT = [
  '--extract',
  '--file=-',
  '--numeric-owner',
  '--same-owner',
  '--preserve-permissions',
  '--xattrs',
  '--xattrs-include=*',
  '--delay-directory-restore',
];

/** Unpacks a tar with GNU tar. @returns what it complained about, if it did */
export function extract(tar: Buffer, directory: string, ...more: string[]): string | undefined {
  const mask = process.umask(0o022);
  const result = gnuTar([...EXTRACT, `--directory=${directory}`, ...more], tar);
  process.umask(mask);
  return result.status === 0 ? undefined : result.stderr.toString();
}

/**
 * Unpacks layers into `directory`, which is made.
 *
 * @returns what GNU tar could not do, if anything
 */
export function unpackLayers(directory: string, layers: readonly LayerSpec[]): string | undefined {
  mkdirSync(directory, { mode: 0o755 });
  for (const layer of layers) {
    if (!Buffer.isBuffer(layer)) for (const entry of layer) makeRoom(directory, entry);
    const tar = tarOfLayer(layer);
    const complaint = tar.length === 0 ? undefined : extract(tar, directory, '--exclude=.wh.*');
    if (complaint !== undefined) return complaint;
  }
  // A root that no layer lists has the epoch for its time.
  if (!layers.some(listsRoot)) utimesSync(directory, 0, 0);
  return undefined;
}

function listsRoot(layer: LayerSpec): boolean {
  return !Buffer.isBuffer(layer) && layer.some(({ name }) => name === './');
}

/**
 * Removes what a whiteout hides, and a directory that something else will replace, which GNU tar
 * would keep.
 */
function makeRoom(directory: string, { name, type }: TarEntrySpec): void {
  const base = basename(name);
  const parent = join(directory, dirname(name));
  if (!isDirectory(parent)) return;
  if (base === '.wh..wh..opq') {
    for (const child of readdirSync(parent, { encoding: 'buffer' })) {
      remove(Buffer.concat([Buffer.from(`${parent}/`), child]));
    }
  } else if (base.startsWith('.wh.')) {
    remove(join(parent, base.slice('.wh.'.length)));
  } else if (type !== 'directory' && isDirectory(join(parent, base))) {
    remove(join(parent, base));
  }
}

function isDirectory(path: string | Buffer): boolean {
  return existsSync(path) && lstatSync(path).isDirectory();
}

function remove(path: string | Buffer): void {
  if (isDirectory(path)) rmSync(path, { recursive: true });
  else rmSync(path, { force: true });
}
