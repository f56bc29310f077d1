/**
 * Images of real size and origin, built once per machine by the tools that people build images
 * with, and kept in a cache directory as OCI layouts.
 *
 * The recipes are in `image-recipes.ts`. A recipe is built by a child process in a private mount
 * namespace of its own, under a lock, and appears in the cache by one rename: two test files that
 * want the same image wait for one build, and a killed build leaves nothing but a directory that
 * the next one clears.
 */
import { execFile } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REAL_IMAGE_TAG, RECIPE_NAMES, RECIPE_VERSION, type RecipeName } from './image-recipes.ts';

const run = promisify(execFile);
const BUILDER = new URL('../../scripts/make-images.ts', import.meta.url).pathname;

/** One image in an OCI layout on disk. */
export interface LayoutImage {
  readonly layoutDir: string;
  readonly tag: string;
}

/** Whether `name` is a real image that can be asked for. */
export function isRealImage(name: string): name is RecipeName {
  return (RECIPE_NAMES as readonly string[]).includes(name);
}

/**
 * The directory of built images: `DRAY_TEST_CACHE`, else one below the temporary directory. It is
 * created 0700; one that belongs to somebody else is refused, since the tests run what is in it.
 */
export function imageCacheDir(): string {
  const uid = process.getuid?.() ?? 0;
  const directory = process.env.DRAY_TEST_CACHE ?? join(tmpdir(), `dray-test-images-${uid}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const stats = lstatSync(directory);
  if (!stats.isDirectory() || stats.uid !== uid || (stats.mode & 0o022) !== 0) {
    throw new Error(`${directory} is no directory that only this user can write to`);
  }
  return directory;
}

/** Where the layout of `name` is, or will be once it is built. */
export function layoutDirOf(name: RecipeName): string {
  return join(imageCacheDir(), `${name}-${RECIPE_VERSION[name]}`);
}

/** The image `name`, built first when the cache lacks it. */
export async function realImage(name: RecipeName): Promise<LayoutImage> {
  const layoutDir = layoutDirOf(name);
  if (!existsSync(layoutDir)) {
    const lock = `${layoutDir}.lock`;
    const builder = [process.execPath, '--disable-warning=ExperimentalWarning', BUILDER];
    const argv = [lock, 'unshare', '--mount', '--propagation', 'private', ...builder];
    await run('flock', [...argv, '--build', name], { maxBuffer: 1 << 26 });
  }
  return { layoutDir, tag: REAL_IMAGE_TAG };
}
