/**
 * The content of the application image: what lies on every machine that can build it, copied in
 * sorted order up to a fixed size, and generated content where the machine has too little. Only
 * the sizes, the counts and how well it compresses matter: about 345 MB of gzip and 66,000 paths
 * together with Debian below it.
 */
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const MIB = 1024 * 1024;

/** Programs and libraries, as a distribution's packages bring them. */
export function copyMachineFiles(targetDir: string): void {
  const budget = { bytes: 560 * MIB, files: 11_000 };
  for (const source of ['/usr/lib/x86_64-linux-gnu', '/usr/lib/node_modules', '/usr/share']) {
    for (const { path, sizeBytes } of filesBelow(source)) {
      if (sizeBytes > budget.bytes || budget.files === 0) continue;
      const target = join(targetDir, path.slice('/usr/'.length));
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(path, target);
      budget.bytes -= sizeBytes;
      budget.files -= 1;
    }
  }
  fillUp(join(targetDir, 'lib/generated'), budget);
}

/** Writes generated files until the budget is spent. */
function fillUp(directory: string, budget: { bytes: number; files: number }): void {
  mkdirSync(directory, { recursive: true });
  const random = seededRandom(1);
  const count = Math.max(budget.files, Math.ceil(budget.bytes / (64 * MIB)));
  for (let index = 0; index < count; index += 1) {
    writeGenerated(join(directory, `object-${index}`), Math.floor(budget.bytes / count), random);
  }
}

/** A tree like `node_modules`: packages of a few dozen small text files each. */
export function addSmallFiles(targetDir: string): void {
  const sources = smallTextFiles();
  const perPackage = 24;
  const packages = 1_860;
  for (let index = 0; index < packages; index += 1) {
    const packageDir = join(targetDir, `package-${String(index).padStart(4, '0')}`);
    mkdirSync(join(packageDir, 'dist'), { recursive: true });
    for (let file = 0; file < perPackage; file += 1) {
      const number = index * perPackage + file;
      const body = sources[number % sources.length];
      const path = join(packageDir, file % 3 === 0 ? `file-${file}.json` : `dist/file-${file}.js`);
      writeFileSync(path, `// ${number}\n${body}`);
    }
  }
}

/** What an application ships beside its code: a model, a database, a bundle. */
export function addBigFiles(targetDir: string): void {
  mkdirSync(targetDir, { recursive: true });
  const random = seededRandom(2);
  for (const [name, sizeMiB] of [
    ['model.bin', 70],
    ['bundle.js', 40],
    ['search.db', 25],
  ] as const) {
    writeGenerated(join(targetDir, name), sizeMiB * MIB, random);
  }
}

/** Source text of this project's own dependencies, which every machine that tests it has. */
function smallTextFiles(): string[] {
  const modulesDir = new URL('../../node_modules', import.meta.url).pathname;
  return [...filesBelow(modulesDir)]
    .filter(({ path, sizeBytes }) => /\.(?:js|ts|json|md)$/.test(path) && sizeBytes < 16_384)
    .map(({ path }) => readFileSync(path, 'utf8'));
}

/** Regular files below `directory`, depth first, in the order of their names. */
function* filesBelow(directory: string): Generator<{ path: string; sizeBytes: number }> {
  const entries = readdirSync(directory, { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield { path, sizeBytes: statSync(path).size };
  }
}

/** Bytes that gzip to about a third: words of a small vocabulary, in no order. */
function writeGenerated(path: string, sizeBytes: number, random: () => number): void {
  const words = Array.from({ length: 4096 }, () => random().toString(36));
  const file = openSync(path, 'w');
  try {
    for (let left = sizeBytes; left > 0; ) {
      const text = Array.from({ length: 8192 }, () => words[random() % words.length]).join(' ');
      const bytes = Buffer.from(text).subarray(0, left);
      writeSync(file, bytes);
      left -= bytes.length;
    }
  } finally {
    closeSync(file);
  }
}

/** A reproducible sequence of 32-bit numbers (xorshift). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}
