import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { architectureBreaches } from './support/architecture-rules.ts';

const SRC = new URL('../src', import.meta.url).pathname;

type Tree = Readonly<Record<string, string>>;

/** A small tree that keeps every rule; the rows below break one rule each. */
const SOUND: Tree = {
  'commands/run.ts': "import { run } from '../cli/base.ts';\nexport default run;\n",
  'cli/base.ts': "import { go } from '../core/operations/go.ts';\nexport const run = go;\n",
  'core/operations/go.ts':
    "import { put } from '../store/put.ts';\nimport { get } from '../registry/get.ts';\nexport const go = [put, get];\n",
  'core/store/put.ts':
    "import { readFile } from 'node:fs/promises';\nimport { spawn } from '../host/spawn.ts';\nexport const put = [readFile, spawn];\n",
  'core/registry/get.ts':
    "import { EngineError } from '../errors.ts';\nexport const get = EngineError;\n",
  'core/host/spawn.ts':
    "import { spawn as s } from 'node:child_process';\nexport const spawn = s;\n",
  'core/host/ffi.ts': "export const ffi = () => import('node:ffi');\n",
  'core/errors.ts': 'export class EngineError extends Error {}\n',
};

function breachesOf(tree: Tree): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'dray-architecture-'));
  try {
    for (const [path, text] of Object.entries(tree)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), text);
    }
    return architectureBreaches(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const LONG_FUNCTION = `export function long() {\n${'  // line\n'.repeat(60)}}\n`;

const ROWS: readonly { name: string; files: Tree; expected: RegExp }[] = [
  {
    name: 'a sibling that imports a sibling, with the chain that leads there',
    files: {
      'core/registry/get.ts': "import { put } from '../store/put.ts';\nexport const get = put;\n",
    },
    expected:
      /^core\/registry\/get\.ts:1 imports core\/store\/put\.ts: siblings never import each other \(reached by commands\/run\.ts → cli\/base\.ts → core\/operations\/go\.ts → core\/registry\/get\.ts\)$/,
  },
  {
    name: 'core that imports the command line',
    files: {
      'core/store/up.ts': "import { x } from '../../cli/low.ts';\n",
      'cli/low.ts': 'export const x = 1;\n',
    },
    expected: /imports cli\/low\.ts: store may import oci, host/,
  },
  {
    name: 'a type-only import against the direction',
    files: { 'core/oci/up.ts': "import type { put } from '../store/put.ts';\n" },
    expected: /imports core\/store\/put\.ts: oci may import nothing/,
  },
  {
    name: 'a command that reaches past the operations',
    files: {
      'commands/list.ts': "import { put } from '../core/store/put.ts';\nexport default put;\n",
    },
    expected: /commands\/list\.ts:1 imports core\/store\/put\.ts: commands may import/,
  },
  {
    name: 'the command line using values of a sibling',
    files: {
      'cli/store.ts': "import { put } from '../core/store/put.ts';\nexport const x = put;\n",
    },
    expected: /cli\/store\.ts:1 imports core\/store\/put\.ts: cli may import/,
  },
  {
    name: 'the command line loading a command anywhere but in its table',
    files: { 'cli/load.ts': "export const load = () => import('../commands/run.ts');\n" },
    expected: /cli\/load\.ts:1 imports commands\/run\.ts: cli may import/,
  },
  {
    name: 'child processes outside host',
    files: { 'core/store/run.ts': "import { spawn } from 'node:child_process';\n" },
    expected: /store\/run\.ts:1 imports node:child_process: only host starts processes/,
  },
  {
    name: 'child processes by require',
    files: { 'cli/run.ts': "const { spawn } = require('child_process');\n" },
    expected: /cli\/run\.ts:1 imports child_process: only host/,
  },
  {
    name: 'a second user of node:ffi',
    files: { 'core/host/mount.ts': "export const f = process.getBuiltinModule('node:ffi');\n" },
    expected: /core\/host\/mount\.ts imports node:ffi: only one file/,
  },
  {
    name: 'input and output in the vocabulary',
    files: { 'core/oci/read.ts': "import { readFileSync } from 'node:fs';\n" },
    expected: /imports node:fs: oci is pure/,
  },
  {
    name: 'a package of the command line in core',
    files: { 'core/store/paint.ts': "import chalk from 'chalk';\n" },
    expected: /imports chalk: core does without/,
  },
  ...['console.log(1)', 'process.exit(1)', 'process.env.HOME', 'process.cwd()'].map((code) => ({
    name: `${code} in core`,
    files: { 'core/store/effect.ts': `export const x = () => ${code};\n` },
    expected: /core\/store\/effect\.ts:1 uses (?:console\.log|process\.\w+): core must not/,
  })),
  {
    name: 'a default export outside commands',
    files: { 'cli/default.ts': 'export default function f() {}\n' },
    expected: /cli\/default\.ts:1 exports a default/,
  },
  { name: 'a barrel', files: { 'core/oci/index.ts': 'export {};\n' }, expected: /no barrels/ },
  {
    name: 'a folder that says nothing',
    files: { 'core/store/utils/a.ts': 'export {};\n' },
    expected: /a folder named utils says nothing/,
  },
  {
    name: 'a module that no rule knows',
    files: { 'core/magic/a.ts': "import { put } from '../store/put.ts';\nexport const x = put;\n" },
    expected: /no rule says what module magic may import/,
  },
  {
    name: 'a cycle, as the chain that closes it',
    files: {
      'core/store/a.ts': "import { b } from './b.ts';\nexport const a = b;\n",
      'core/store/b.ts': "import { a } from './a.ts';\nexport const b = a;\n",
    },
    expected: /import cycle: core\/store\/a\.ts → core\/store\/b\.ts → core\/store\/a\.ts/,
  },
  {
    name: 'a file of 401 lines',
    files: { 'core/store/long.ts': '//\n'.repeat(401) },
    expected: /core\/store\/long\.ts: 401 lines, at most 400/,
  },
  {
    name: 'a function of 62 lines',
    files: { 'core/store/long.ts': LONG_FUNCTION },
    expected: /core\/store\/long\.ts:1 long: 62 lines, at most 60/,
  },
  {
    name: 'an import of a file that is not there',
    files: { 'core/store/gone.ts': "import { x } from './nowhere.ts';\n" },
    expected: /there is no such file/,
  },
];

describe('the architecture rules', () => {
  it('find nothing in a sound tree', () => assert.deepEqual(breachesOf(SOUND), []));

  for (const { name, files, expected } of ROWS) {
    it(`find ${name}`, () => {
      const breaches = breachesOf({ ...SOUND, ...files });
      assert.ok(
        breaches.some((breach) => expected.test(breach)),
        `none of these is the breach:\n${breaches.join('\n')}`,
      );
    });
  }
});

describe('src', () => {
  it('keeps every architecture rule', () => {
    const breaches = architectureBreaches(SRC);
    assert.deepEqual(breaches, [], breaches.join('\n'));
  });
});
