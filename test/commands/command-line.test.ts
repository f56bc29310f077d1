/** What holds for every command: statuses, streams, errors, global flags. Needs the built CLI. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { buildImage } from '../support/image-builder.ts';
import { writeLayout } from '../support/layout-writer.ts';
import { CLI, CliHome } from '../support/run-cli.ts';

let home: CliHome;
let source: string;

before(() => {
  home = new CliHome();
  const image = buildImage({ layers: [Buffer.alloc(1024)] });
  source = `oci:${writeLayout(join(home.directory, 'empty'), [{ image, refName: 'latest' }])}:latest`;
});
after(() => home[Symbol.asyncDispose]());

const ID = /^sha256-[0-9a-f]{64}\n$/;

describe('exit statuses', () => {
  const rows: readonly { argv: string[]; status: number; stderr: RegExp }[] = [
    { argv: ['image', 'list', '--foo'], status: 2, stderr: /^dray: unknown flag "--foo"\n/ },
    { argv: ['run', '--foo', 'x'], status: 125, stderr: /^dray: unknown flag "--foo"\n/ },
    { argv: ['run', '--memory', 'lots', 'x'], status: 125, stderr: /^dray: --memory/ },
    { argv: ['run'], status: 125, stderr: /^dray: the argument IMAGE is missing\n/ },
    { argv: ['fetch'], status: 2, stderr: /^dray: the argument IMAGE is missing\n/ },
    { argv: ['image', 'gc', 'x'], status: 2, stderr: /1 arguments were given, none expected/ },
    { argv: ['image', 'list', '--sort', 'x'], status: 2, stderr: /--sort=x/ },
    { argv: ['image', 'list', '--fields', 'id,x'], status: 2, stderr: /"x" is none of id, name/ },
    { argv: ['fetch', '--platform', '/', 'x'], status: 2, stderr: /^dray: --platform: / },
    { argv: ['fetch', 'UPPER/case'], status: 1, stderr: /^dray: / },
    { argv: ['image', 'inspect', 'nosuch'], status: 1, stderr: /^dray: .*nosuch/ },
    { argv: ['image', 'lst'], status: 2, stderr: /Did you mean "dray image list"\?/ },
    { argv: ['imges'], status: 2, stderr: /Did you mean "dray images"\?/ },
    {
      argv: ['frobnicate'],
      status: 2,
      stderr: /unknown command "frobnicate"\n {2}Run "dray help"/,
    },
    { argv: ['help', 'frobnicate'], status: 2, stderr: /unknown command "frobnicate"/ },
  ];
  for (const { argv, status, stderr } of rows) {
    it(`${status} for: dray ${argv.join(' ')}`, async () => {
      const result = await home.run(argv);
      assert.equal(result.stdout, '');
      assert.match(result.stderr, stderr);
      assert.equal(result.status, status);
    });
  }

  for (const argv of [[], ['help'], ['--help'], ['-h'], ['image'], ['image', '--help']]) {
    it(`0, with help on standard output, for: dray ${argv.join(' ')}`, async () => {
      const result = await home.run(argv);
      assert.deepEqual([result.status, result.stderr], [0, '']);
      assert.match(result.stdout, /USAGE\n {2}\$ dray/);
    });
  }
});

describe('global flags', () => {
  it('stand before the command or behind it', async () => {
    const elsewhere = join(home.directory, 'elsewhere');
    assert.match(await home.succeed(['--quiet', 'fetch', source]), ID);
    assert.match(await home.succeed(['image', 'list', '--no-legend']), /localhost\/empty/);
    assert.equal(await home.succeed(['image', 'list', '--no-legend', '--root', elsewhere]), '');
    assert.equal(await home.succeed([`--root=${elsewhere}`, 'image', 'list', '--json']), '[]\n');
  });

  it('behind the image of run belong to the container', async () => {
    const argv = ['run', '--pull', 'never', 'nosuch', '--root', '/nowhere', '--help', '--json'];
    const result = await home.run(argv);
    assert.deepEqual([result.status, result.stdout], [125, '']);
    assert.match(result.stderr, /nosuch/);
  });

  it('--json prints errors on standard output, with the same status', async () => {
    for (const [argv, code, status] of [
      [['image', 'inspect', 'nosuch', '--json'], 'IMAGE_NOT_FOUND', 1],
      [['image', 'list', '--json', '--foo'], 'USAGE_INVALID', 2],
    ] as const) {
      const result = await home.run(argv);
      assert.deepEqual([result.status, result.stderr], [status, '']);
      const { error } = JSON.parse(result.stdout);
      assert.equal(error.code, code);
      assert.deepEqual(Object.keys(error), ['code', 'message', 'hint']);
    }
  });

  it('--debug adds the stack to an error', async () => {
    const { stderr } = await home.run(['image', 'inspect', 'nosuch', '--debug']);
    assert.match(stderr, /^dray: .*\n[\s\S]*\n {4}at /);
  });
});

describe('output', () => {
  it('writes no escape sequence to a pipe, whatever the terminal is said to be', async () => {
    const env = { TERM: 'xterm-256color', FORCE_COLOR: '3', COLORTERM: 'truecolor' };
    for (const argv of [['help'], ['run', '--help'], ['image', 'list'], ['nosuch']]) {
      const { stdout, stderr } = await home.run(argv, { env });
      assert.doesNotMatch(stdout + stderr, /\u001b/, argv.join(' '));
    }
  });

  it('escapes what a user typed and a terminal could act on', async () => {
    const { stderr } = await home.run(['image', 'inspect', 'x\u001b]0;evil\u0007']);
    assert.doesNotMatch(stderr, /[\u0007\u001b]/);
  });

  it('ends quietly when its reader goes away', () => {
    const command = `"${CLI}" help run | head -c 1; echo "$\{PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
    assert.deepEqual([stdout.slice(1), stderr], ['0\n', '']);
  });

  const full = 'dray: cannot write to standard output: ENOSPC: no space left on device\n';
  for (const { argv, says } of [
    { argv: ['version'], says: full },
    { argv: ['image', 'list', '--json'], says: full },
    { argv: ['image', 'inspect', 'nosuch', '--json'], says: /^dray: [^\n]*"nosuch"[^\n]*\n/ },
  ]) {
    it(`fails with a sentence when results cannot be written: dray ${argv.join(' ')}`, () => {
      const device = openSync('/dev/full', 'w');
      try {
        const { status, stderr } = spawnSync(CLI, ['--root', home.dataDir, ...argv], {
          stdio: ['ignore', device, 'pipe'],
          encoding: 'utf8',
        });
        assert.equal(status, 1);
        if (typeof says === 'string') assert.equal(stderr, says);
        else assert.match(stderr, says);
        assert.doesNotMatch(stderr, /\n +at /);
      } finally {
        closeSync(device);
      }
    });
  }

  it('works with every stream closed', () => {
    const { status } = spawnSync('sh', ['-c', `exec "${CLI}" help <&- >&- 2>&-`]);
    assert.ok(status === 0 || status === 1);
  });
});

describe('cancelling', () => {
  let server: Server;
  before(async () => {
    // Accepts requests and never answers.
    server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    it(`ends a fetch with ${status} at ${signal}, in one line`, async () => {
      const arrived = new Promise((resolve) => server.once('request', resolve));
      const { port } = server.address() as AddressInfo;
      const running = home.start(['fetch', '--quiet', `127.0.0.1:${port}/app`]);
      await arrived;
      running.kill(signal);
      const result = await running.exited;
      assert.deepEqual([result.status, result.stderr], [status, `dray: cancelled by ${signal}\n`]);
    });
  }
});
