/**
 * Makes oclif's own modules load lazily in the bundle. oclif requires all of itself at start: 40
 * modules, a glob library, a template engine, a spinner, of which running a command needs a tenth.
 * Each top-level `const x_1 = require("y")` becomes a function, and each use of `x_1` a call; esbuild
 * evaluates a module once, so the meaning stays.
 */
import { readFileSync } from 'node:fs';
import type { Plugin } from 'esbuild';

const TOP_LEVEL_REQUIRE = /^(?:const|var) (\w+) = ((?:__import\w+\()?require\("([^"]+)"\)\)?);$/gm;

/** Adds an `error` listener to `process.stdout`, and so makes that stream; `output.ts` needs none. */
const STDOUT_LISTENER = /process\.stdout\.on\('error'[\s\S]*?\n\}\);\n/;

const NOTHING = '';

/**
 * What stands in for packages that a command has no use for: those that only plugins, updates and
 * TypeScript development of oclif's own would load, and `debug`, which makes `process.stderr` and
 * lets the environment variable DEBUG write there.
 */
const STAND_INS: Readonly<Record<string, string>> = {
  typescript: NOTHING,
  minimatch: NOTHING,
  tinyglobby: NOTHING,
  lilconfig: NOTHING,
  'wsl-utils': NOTHING,
  'get-package-type': NOTHING,
  debug: 'module.exports = () => () => {};',
};

/** The esbuild plugin. */
export const lazyOclif: Plugin = {
  name: 'lazy-oclif',
  setup(build) {
    build.onLoad({ filter: /@oclif\/core\/lib\/.*\.js$/ }, ({ path }) => ({
      contents: makeLazy(readFileSync(path, 'utf8')),
      loader: 'js',
    }));
    const names = Object.keys(STAND_INS).join('|');
    build.onResolve({ filter: new RegExp(`^(${names})$`) }, ({ path }) => ({
      path,
      namespace: 'stand-in',
    }));
    build.onLoad({ filter: /.*/, namespace: 'stand-in' }, ({ path }) => ({
      contents: STAND_INS[path] ?? NOTHING,
    }));
  },
};

/** The source of one oclif module with lazy requires. */
export function makeLazy(source: string): string {
  const names: string[] = [];
  const declared = source
    .replace(STDOUT_LISTENER, '')
    .replace(TOP_LEVEL_REQUIRE, (_, name: string, expression: string) => {
      names.push(name);
      return `const load_${name} = () => ${expression};`;
    });
  return names.reduce(
    (text, name) =>
      text.replace(new RegExp(`(?<![\\w."'])${name}(?![\\w"'])`, 'g'), `(load_${name}())`),
    declared,
  );
}
