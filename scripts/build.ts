/**
 * Builds `dist`: `dray.cjs`, the whole CLI in one file; `dray.cache`, V8's code cache for it;
 * `boot.cjs`, which loads the two; `supervisor.cjs`, the small program of supervisors.
 *
 * Commands stay lazy: esbuild turns each `import()` into a module that is evaluated when it is first
 * asked for. Files are replaced one by one, so that a dray that is starting meanwhile finds all.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { buildManifest } from '../src/cli/build-manifest.ts';
import { buildImage } from '../test/support/image-builder.ts';
import { writeLayout } from '../test/support/layout-writer.ts';
import { codeCacheFile } from './bundle-script.ts';
import { lazyOclif } from './lazy-oclif.ts';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');

const COMMON: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node26',
  minifySyntax: true,
  minifyWhitespace: true,
  // A start reads all of it: a third less text is a tenth less time.
  minifyIdentifiers: true,
};

/** Bundles `entry` to `dist/name`. */
async function bundle(entry: string, name: string, options: BuildOptions = {}): Promise<void> {
  const outfile = join(DIST, name);
  const partial = `${outfile}.${process.pid}`;
  await build({ ...COMMON, ...options, entryPoints: [join(ROOT, entry)], outfile: partial });
  renameSync(partial, outfile);
}

/**
 * Runs an image that holds nothing, up to where its command is not found: all of `run` but the start
 * of the runtime. Without the privilege to mount it ends sooner, and the cache holds less.
 */
function writeCodeCache(): void {
  const directory = mkdtempSync(join(tmpdir(), 'dray-build-'));
  const env = {
    PATH: process.env.PATH,
    DRAY_ROOT: join(directory, 'store'),
    DRAY_RUN_DIR: join(directory, 'run'),
  };
  const flags = ['--disable-warning=ExperimentalWarning'];
  const dray = (...argv: string[]) =>
    spawnSync(process.execPath, [...flags, ...argv], { env, encoding: 'utf8' });
  try {
    const layout = writeLayout(join(directory, 'empty'), [
      { image: buildImage({ layers: [Buffer.alloc(1024)] }), refName: 'latest' },
    ]);
    dray(join(DIST, 'dray.cjs'), 'fetch', `oci:${layout}:latest`);
    rmSync(codeCacheFile(DIST), { force: true });
    const script = join(import.meta.dirname, 'code-cache.ts');
    dray(script, DIST, 'run', '--rm', '--pull', 'never', 'localhost/empty', 'nothing');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

mkdirSync(DIST, { recursive: true });
await bundle('src/cli/main.ts', 'dray.cjs', {
  supported: { 'dynamic-import': false },
  define: { DRAY_MANIFEST: JSON.stringify(JSON.stringify(await buildManifest())) },
  plugins: [lazyOclif],
});
await bundle('scripts/boot.ts', 'boot.cjs');
await bundle('src/cli/supervisor-main.ts', 'supervisor.cjs');
writeCodeCache();
for (const name of ['dray.cjs', 'dray.cache', 'boot.cjs', 'supervisor.cjs']) {
  const size = statSync(join(DIST, name), { throwIfNoEntry: false })?.size ?? 0;
  console.log(`dist/${name}: ${Math.round(size / 1024)} KiB`);
}
