/** Fetches references at once into one store. Arguments: DATA_DIR REFERENCE…, or `warm-up`. */
import { flushCompileCache } from 'node:module';
import { openEngine } from '../../../src/core/operations/engine.ts';
import { fetchImage } from '../../../src/core/operations/fetch-image.ts';

const [dataDir = '', ...references] = process.argv.slice(2);

if (dataDir === 'warm-up') {
  // Killed, a child could not write the cache at its end.
  await import('../../../src/core/operations/registry-transport.ts');
  await import('../../../src/core/operations/search-registries.ts');
  flushCompileCache();
} else {
  const settings = { dataDir, runDir: `${dataDir}-run`, insecureRegistries: [], version: '0.0.0' };
  const engine = openEngine(settings);
  const fetches = references.map((reference) =>
    fetchImage(engine, reference, { pullPolicy: 'update' }),
  );
  await Promise.all(fetches);
}
