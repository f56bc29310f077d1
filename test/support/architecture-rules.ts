/**
 * The architecture as rules over a source tree: which module may import which, what only one place
 * may do, and how long things may get. Each finding is one line; one about an import carries the
 * chain of imports that leads to it from the program's entry.
 */
import { posix } from 'node:path';
import { type ImportEdge, readSourceTree, type SourceFile } from './source-tree.ts';

const SIBLINGS = [
  'store',
  'registry',
  'layer',
  'layout',
  'rootfs',
  'container',
  'runtime',
  'network',
  'volume',
  'trust',
];
const LEAVES = ['errors', 'progress'];

/** What a module may import, besides itself and the leaves; `type X` allows only types of X. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  progress: ['type oci'],
  oci: [],
  host: ['oci'],
  ...Object.fromEntries(SIBLINGS.map((sibling) => [sibling, ['oci', 'host']])),
  operations: ['oci', 'host', ...SIBLINGS],
  cli: ['operations', 'oci', ...SIBLINGS.map((sibling) => `type ${sibling}`)],
  commands: ['cli', 'operations', 'type oci'],
};

/** The one file that names commands, each loaded only when it runs. */
const COMMAND_TABLE = 'cli/command-table.ts';

const CORE_PACKAGES = new Set(['valibot', 'tar', 'smol-toml', '@noble/ciphers/salsa.js']);
const PURE_BUILTINS = new Set(['node:buffer', 'node:crypto']);
const FFI_FILE = /^core\/host\/[a-z-]+\.ts$/;
const VAGUE_FOLDERS = new Set(['utils', 'util', 'helpers', 'common', 'shared', 'misc', 'lib']);
const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 60;

/** Every breach of the rules below `treeDir`, which is `src` or shaped like it. */
export function architectureBreaches(treeDir: string): string[] {
  const files = readSourceTree(treeDir);
  const chainTo = chainsFromEntries(files);
  const each = [...files.values()].flatMap((file) => [
    ...importBreaches(file, files).map((breach) => `${breach}${chainTo(file.path)}`),
    ...effectBreaches(file),
    ...shapeBreaches(file),
  ]);
  return [...each, ...ffiBreaches(files), ...cycles(files)];
}

/** `oci` for core/oci/…, `cli`, `commands`; a file in core itself is a module of its name. */
function moduleOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  return first === 'core' ? posix.basename(second, '.ts') : posix.basename(first, '.ts');
}

function importBreaches(file: SourceFile, files: ReadonlyMap<string, SourceFile>): string[] {
  return file.imports.flatMap((edge) => {
    const isMissing = edge.isOwn && edge.target.endsWith('.ts') && !files.has(edge.target);
    const reason = isMissing
      ? 'there is no such file'
      : edge.isOwn
        ? ownImportBreach(file.path, edge)
        : foreignImportBreach(file, edge);
    return reason === undefined
      ? []
      : [`${file.path}:${edge.line} imports ${edge.target}: ${reason}`];
  });
}

function ownImportBreach(path: string, edge: ImportEdge): string | undefined {
  const [from, to] = [moduleOf(path), moduleOf(edge.target)];
  const allowed = MAY_IMPORT[from];
  if (allowed === undefined) return `no rule says what module ${from} may import`;
  if (from === to || LEAVES.includes(to) || allowed.includes(to)) return undefined;
  if (edge.isTypeOnly && allowed.includes(`type ${to}`)) return undefined;
  if (edge.isLazy && path === COMMAND_TABLE && to === 'commands') return undefined;
  if (SIBLINGS.includes(from) && SIBLINGS.includes(to)) return 'siblings never import each other';
  return `${from} may import ${allowed.length === 0 ? 'nothing' : allowed.join(', ')}`;
}

function foreignImportBreach(file: SourceFile, { target }: ImportEdge): string | undefined {
  const from = moduleOf(file.path);
  if (/^(?:node:)?child_process$/.test(target) && from !== 'host') {
    return 'only host starts processes';
  }
  if (target === 'node:fs' && from === 'commands') return 'commands leave files to operations';
  if (!file.path.startsWith('core/')) return undefined;
  if (target === 'node:process') return 'core asks nothing of the process it runs in';
  if (from === 'oci' && target.startsWith('node:') && !PURE_BUILTINS.has(target)) {
    return 'oci is pure';
  }
  const isPackage = !target.startsWith('node:');
  return isPackage && !CORE_PACKAGES.has(target) ? 'core does without this package' : undefined;
}

function effectBreaches(file: SourceFile): string[] {
  if (!file.path.startsWith('core/')) return [];
  return file.globals.map(({ name, line }) => `${file.path}:${line} uses ${name}: core must not`);
}

function shapeBreaches(file: SourceFile): string[] {
  const breaches: string[] = [];
  const folders = file.path.split('/').slice(0, -1);
  const vague = folders.find((folder) => VAGUE_FOLDERS.has(folder));
  if (vague !== undefined) breaches.push(`${file.path}: a folder named ${vague} says nothing`);
  if (posix.basename(file.path) === 'index.ts') breaches.push(`${file.path}: no barrels`);
  if (file.defaultExportLine !== undefined && moduleOf(file.path) !== 'commands') {
    breaches.push(`${file.path}:${file.defaultExportLine} exports a default: only commands do`);
  }
  if (file.lineCount > MAX_FILE_LINES) {
    breaches.push(`${file.path}: ${file.lineCount} lines, at most ${MAX_FILE_LINES}`);
  }
  for (const { name, line, lines } of file.functions) {
    if (lines > MAX_FUNCTION_LINES) {
      breaches.push(`${file.path}:${line} ${name}: ${lines} lines, at most ${MAX_FUNCTION_LINES}`);
    }
  }
  return breaches;
}

/** `node:ffi` is known to exactly one file of host. */
function ffiBreaches(files: ReadonlyMap<string, SourceFile>): string[] {
  const users = [...files.values()].filter(({ imports }) =>
    imports.some(({ target, isTypeOnly }) => target === 'node:ffi' && !isTypeOnly),
  );
  const outside = users.filter(({ path }) => !FFI_FILE.test(path));
  const tooMany = users.length > 1 ? users : outside;
  return tooMany.map(({ path }) => `${path} imports node:ffi: only one file of host does`);
}

/** Says by which chain of imports a file is reached from one that nobody imports. */
function chainsFromEntries(files: ReadonlyMap<string, SourceFile>): (path: string) => string {
  const importer = new Map<string, string>();
  const imported = new Set([...files.values()].flatMap((file) => ownTargets(file)));
  const queue = [...files.keys()].filter((path) => !imported.has(path));
  for (const path of queue) {
    for (const target of ownTargets(files.get(path))) {
      if (importer.has(target)) continue;
      importer.set(target, path);
      queue.push(target);
    }
  }
  return (path) => {
    const chain = [path];
    for (
      let at = importer.get(path);
      at !== undefined && !chain.includes(at);
      at = importer.get(at)
    ) {
      chain.unshift(at);
    }
    return chain.length === 1 ? '' : ` (reached by ${chain.join(' → ')})`;
  };
}

function ownTargets(file: SourceFile | undefined): string[] {
  return file === undefined
    ? []
    : file.imports.filter(({ isOwn }) => isOwn).map(({ target }) => target);
}

function eagerTargets(file: SourceFile | undefined): string[] {
  return file === undefined
    ? []
    : file.imports.filter((edge) => edge.isOwn && !edge.isLazy).map((edge) => edge.target);
}

/** Each cycle of imports once, as the chain that closes it. What is loaded lazily closes none. */
function cycles(files: ReadonlyMap<string, SourceFile>): string[] {
  const found: string[] = [];
  const finished = new Set<string>();
  const visit = (path: string, chain: readonly string[]): void => {
    const start = chain.indexOf(path);
    if (start !== -1) {
      found.push(`import cycle: ${[...chain.slice(start), path].join(' → ')}`);
      return;
    }
    if (finished.has(path)) return;
    for (const target of eagerTargets(files.get(path))) visit(target, [...chain, path]);
    finished.add(path);
  };
  for (const path of files.keys()) visit(path, []);
  return found;
}
