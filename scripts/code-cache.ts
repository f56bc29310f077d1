/**
 * Runs a command of the bundle and then writes the code cache: `code-cache.ts DIRECTORY ARG...`.
 * The build starts this in a process of its own.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { codeCacheFile, readBundle, runBundle } from './bundle-script.ts';

const [directory = ''] = process.argv.splice(2, 1);
const script = readBundle(directory);
process.on('exit', () => {
  const file = codeCacheFile(directory);
  writeFileSync(`${file}.${process.pid}`, script.createCachedData());
  renameSync(`${file}.${process.pid}`, file);
});
runBundle(script, createRequire(import.meta.url));
