/**
 * Builds the images that tests and benchmarks use, into the cache of test/support/real-images.ts.
 *
 *   node scripts/make-images.ts busybox debian layers-1 layers-100 app
 *
 * `--build NAME` is the builder itself: it expects the lock and a mount namespace of its own.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildRecipe, RECIPE_NAMES } from '../test/support/image-recipes.ts';
import { imageCacheDir, isRealImage, layoutDirOf, realImage } from '../test/support/real-images.ts';

/** Builds on a tmpfs that ends with this process, since the trees have many thousand files. */
async function build(name: string): Promise<void> {
  if (!isRealImage(name)) throw new Error(`unknown image ${name}`);
  const finished = layoutDirOf(name);
  if (existsSync(finished)) return;
  const workDir = join(imageCacheDir(), `${name}.work`);
  const partial = `${finished}.partial`;
  mkdirSync(workDir, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=0700', 'none', workDir]);
  const layoutDir = await buildRecipe(name, {
    workDir,
    base: async (other) => (await realImage(other)).layoutDir,
  });
  rmSync(partial, { recursive: true, force: true });
  cpSync(layoutDir, partial, { recursive: true });
  renameSync(partial, finished);
}

async function report(name: string): Promise<void> {
  if (!isRealImage(name)) {
    throw new Error(`unknown image ${name}; known are ${RECIPE_NAMES.join(', ')}`);
  }
  const start = performance.now();
  const { layoutDir } = await realImage(name);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.error(`${name}: ${layoutDir} (${seconds} s)`);
}

const [first, second] = process.argv.slice(2);
if (first === '--build' && second !== undefined) await build(second);
else for (const name of process.argv.slice(2)) await report(name);
