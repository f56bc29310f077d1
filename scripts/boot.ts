/** Becomes `dist/boot.cjs`, which `bin/run` starts. */
import { readBundle, runBundle } from './bundle-script.ts';

runBundle(readBundle(__dirname), require);
