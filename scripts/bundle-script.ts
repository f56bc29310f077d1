/**
 * The bundle as a V8 script. Compiled from source, it takes longer to load than to run; with a code
 * cache taken after a run, the functions that a run needs are there at once. Node's own compile
 * cache is taken before anything ran, and helps half as much.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

/** The bundle in `directory`, with its code cache if there is one that fits. */
export function readBundle(directory: string): Script {
  const filename = join(directory, 'dray.cjs');
  // The bundle is ASCII, which reads faster as this.
  const source = readFileSync(filename, 'latin1');
  const cachedData = readIfThere(codeCacheFile(directory));
  const wrapped = `(function (require) { ${source}\n})`;
  return new Script(wrapped, { filename, ...(cachedData === undefined ? {} : { cachedData }) });
}

/** Runs the bundle, which reads `process.argv` and ends the process. */
export function runBundle(script: Script, require: NodeJS.Require): void {
  script.runInThisContext()(require);
}

/** Where the code cache of a bundle is. V8 refuses one that another version or bundle made. */
export function codeCacheFile(directory: string): string {
  return join(directory, 'dray.cache');
}

/** Whatever is wrong with the cache, the bundle can do without. */
function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
