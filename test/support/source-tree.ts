/** Reads a TypeScript source tree into what the architecture rules are about. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import ts from 'typescript';

/** One import, export-from, `import()`, `require()` or `import('…')` type. */
export interface ImportEdge {
  /** Path below the tree for a file of ours, else the specifier: `node:fs`, `valibot`. */
  readonly target: string;
  /** Whether it names a file by a relative path. */
  readonly isOwn: boolean;
  readonly isTypeOnly: boolean;
  /** Whether it loads only when that line runs. */
  readonly isLazy: boolean;
  readonly line: number;
}

/** One file. Its path is relative to the tree, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly lineCount: number;
  readonly imports: readonly ImportEdge[];
  readonly functions: readonly {
    readonly name: string;
    readonly line: number;
    readonly lines: number;
  }[];
  /** `console`, `process.exit`, `process.env` and `process.cwd`, where they are used. */
  readonly globals: readonly { readonly name: string; readonly line: number }[];
  readonly defaultExportLine: number | undefined;
}

/** Every TypeScript file below `treeDir`, by its path. */
export function readSourceTree(treeDir: string): Map<string, SourceFile> {
  const paths = readdirSync(treeDir, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .toSorted();
  return new Map(paths.map((path) => [path, readSourceFile(treeDir, path)]));
}

function readSourceFile(treeDir: string, path: string): SourceFile {
  const text = readFileSync(join(treeDir, path), 'utf8');
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: ImportEdge[] = [];
  const functions: SourceFile['functions'][number][] = [];
  const globals: SourceFile['globals'][number][] = [];
  let defaultExportLine: number | undefined;
  const visit = (node: ts.Node): void => {
    const line = lineOf(source, node.getStart());
    const specifier = importOf(node);
    if (specifier !== undefined) imports.push({ ...resolveImport(path, specifier), line });
    if (isFunctionWithBody(node)) functions.push(measure(source, node));
    const name = forbiddenGlobal(node);
    if (name !== undefined) globals.push({ name, line });
    if (isDefaultExport(node)) defaultExportLine = line;
    ts.forEachChild(node, visit);
  };
  visit(source);
  const lineCount = text.endsWith('\n') ? text.split('\n').length - 1 : text.split('\n').length;
  return { path, lineCount, imports, functions, globals, defaultExportLine };
}

interface Specifier {
  readonly text: string;
  readonly isTypeOnly: boolean;
  readonly isLazy: boolean;
}

function importOf(node: ts.Node): Specifier | undefined {
  if (ts.isImportDeclaration(node))
    return literal(node.moduleSpecifier, erasure(node.importClause));
  if (ts.isExportDeclaration(node)) {
    return literal(node.moduleSpecifier, node.isTypeOnly ? 'type' : 'value');
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return literal(node.argument.literal, 'type');
  }
  if (ts.isCallExpression(node) && isLoader(node.expression)) {
    return literal(node.arguments[0], 'lazy');
  }
  return undefined;
}

/** Whether an import is of types only, by its own keyword or by one at each name. */
function erasure(clause: ts.ImportClause | undefined): 'type' | 'value' {
  if (clause?.phaseModifier === ts.SyntaxKind.TypeKeyword) return 'type';
  const bindings = clause?.namedBindings;
  const isErased =
    clause?.name === undefined &&
    bindings !== undefined &&
    ts.isNamedImports(bindings) &&
    bindings.elements.length > 0 &&
    bindings.elements.every((element) => element.isTypeOnly);
  return isErased ? 'type' : 'value';
}

/** `import(…)`, `require(…)`, `process.getBuiltinModule(…)`. */
function isLoader(callee: ts.Expression): boolean {
  if (callee.kind === ts.SyntaxKind.ImportKeyword) return true;
  if (ts.isIdentifier(callee)) return callee.text === 'require';
  return ts.isPropertyAccessExpression(callee) && callee.name.text === 'getBuiltinModule';
}

function literal(
  node: ts.Node | undefined,
  kind: 'type' | 'value' | 'lazy',
): Specifier | undefined {
  if (node === undefined || !ts.isStringLiteralLike(node)) return undefined;
  return { text: node.text, isTypeOnly: kind === 'type', isLazy: kind === 'lazy' };
}

function resolveImport(from: string, specifier: Specifier): Omit<ImportEdge, 'line'> {
  const { text, isTypeOnly, isLazy } = specifier;
  const isOwn = text.startsWith('.');
  const target = isOwn ? posix.join(posix.dirname(from), text) : text;
  return { target, isOwn, isTypeOnly, isLazy };
}

type FunctionWithBody = ts.FunctionLikeDeclaration & { readonly body: ts.Node };

function isFunctionWithBody(node: ts.Node): node is FunctionWithBody {
  return ts.isFunctionLike(node) && 'body' in node && node.body !== undefined;
}

function measure(source: ts.SourceFile, node: FunctionWithBody) {
  const line = lineOf(source, node.getStart());
  const owner = ts.isVariableDeclaration(node.parent) ? node.parent : node;
  const name = owner.name?.getText(source) ?? 'an unnamed function';
  return { name, line, lines: lineOf(source, node.end) - line + 1 };
}

const PROCESS_MEMBERS = new Set(['exit', 'env', 'cwd']);

function forbiddenGlobal(node: ts.Node): string | undefined {
  if (!ts.isPropertyAccessExpression(node) || !ts.isIdentifier(node.expression)) return undefined;
  const [object, member] = [node.expression.text, node.name.text];
  if (object === 'console') return `console.${member}`;
  return object === 'process' && PROCESS_MEMBERS.has(member) ? `process.${member}` : undefined;
}

function isDefaultExport(node: ts.Node): boolean {
  if (ts.isExportAssignment(node)) return true;
  if (!ts.canHaveModifiers(node)) return false;
  return ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword) ?? false;
}

function lineOf(source: ts.SourceFile, position: number): number {
  return source.getLineAndCharacterOfPosition(position).line + 1;
}
