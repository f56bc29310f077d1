/**
 * Builds `dist/dray.cjs`: the whole CLI in one file, and beside it V8's compile cache.
 *
 * Commands stay lazy: esbuild turns each `import()` into a module that is evaluated when it is first
 * asked for.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { buildManifest } from '../src/cli/build-manifest.ts';
import { lazyOclif } from './lazy-oclif.ts';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');

rmSync(DIST, { recursive: true, force: true });
const result = await build({
  entryPoints: [join(ROOT, 'src/cli/main.ts')],
  outfile: join(DIST, 'dray.cjs'),
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node26',
  minifySyntax: true,
  minifyWhitespace: true,
  supported: { 'dynamic-import': false },
  define: { DRAY_MANIFEST: JSON.stringify(JSON.stringify(await buildManifest())) },
  plugins: [lazyOclif],
  metafile: true,
});
const bytes = Object.values(result.metafile.outputs)[0]?.bytes ?? 0;
console.log(`dist/dray.cjs: ${Math.round(bytes / 1024)} KiB`);
