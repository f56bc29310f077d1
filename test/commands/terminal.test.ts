/** What a terminal sees, through a pseudo-terminal of script(1). Needs the built CLI. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { buildImage } from '../support/image-builder.ts';
import { writeLayout } from '../support/layout-writer.ts';
import { CLI, CliHome } from '../support/run-cli.ts';
import { tarOf } from '../support/tar-builder.ts';

let home: CliHome;
let source: string;

before(() => {
  home = new CliHome();
  const image = buildImage({ layers: [tarOf([{ name: 'file', content: 'x'.repeat(100_000) }])] });
  source = `oci:${writeLayout(join(home.directory, 'small'), [{ image, refName: 'latest' }])}:latest`;
});
after(() => home[Symbol.asyncDispose]());

/** Output and status of a command on a terminal of this width. */
function onTerminal(columns: number, argv: readonly string[], env: object = {}) {
  const words = [CLI, '--root', home.dataDir, ...argv].map((word) => `'${word}'`).join(' ');
  const rows = columns === 0 ? 0 : 24;
  const command = `stty cols ${columns} rows ${rows} && exec ${words}`;
  const { stdout, status } = spawnSync('script', ['-qec', command, '/dev/null'], {
    env: { PATH: process.env.PATH, TERM: 'xterm', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { text: stdout.replaceAll('\r\n', '\n'), status };
}

const forget = () => home.succeed(['image', 'rm', 'localhost/small']);

describe('a terminal', () => {
  it('gets one line per layer, which says in the end that it is done', async () => {
    const { text, status } = onTerminal(80, ['fetch', source]);
    assert.equal(status, 0);
    // The id comes last: no later drawing may erase it.
    assert.match(text, /[0-9a-f]{12} {2}[\d.]+\w+ {2}done\nsha256-[0-9a-f]{64}\n$/);
    await forget();
  });

  it('without a size gets plain lines, and nothing draws for ever', async () => {
    const fetched = onTerminal(0, ['fetch', source]);
    assert.equal(fetched.status, 0);
    assert.doesNotMatch(fetched.text, /\u001b/);
    assert.match(fetched.text, /\nlayer [0-9a-f]{12}: [\d.]+\w+ done\n/);
    const verified = onTerminal(0, ['image', 'verify']);
    assert.equal(verified.status, 0);
    assert.doesNotMatch(verified.text, /\u001b/);
    await forget();
  });

  it('that is dumb gets plain lines', async () => {
    const { text, status } = onTerminal(80, ['fetch', source], { TERM: 'dumb' });
    assert.equal(status, 0);
    assert.doesNotMatch(text, /\u001b/);
    await forget();
  });

  it('gets nothing with --quiet but the id', async () => {
    const { text } = onTerminal(80, ['fetch', '--quiet', source]);
    assert.match(text, /^sha256-[0-9a-f]{64}\n$/);
    await forget();
  });

  it('shows where an error begins in colour, unless NO_COLOR is set', () => {
    assert.match(onTerminal(80, ['nosuch']).text, /^\u001b\[31mdray:\u001b\[39m unknown command/);
    assert.match(onTerminal(80, ['nosuch'], { NO_COLOR: '1' }).text, /^dray: unknown command/);
  });

  for (const argv of [
    ['image', 'export', 'x', '-'],
    ['image', 'save', 'x'],
  ]) {
    it(`is not written a tar to: dray ${argv.join(' ')}`, () => {
      const { text, status } = onTerminal(80, argv);
      assert.equal(status, 2);
      assert.match(text, /a tar is not written to a terminal/);
    });
  }

  for (const argv of [
    ['image', 'load'],
    ['image', 'import', '-', 'x'],
  ]) {
    it(`is not read an archive from: dray ${argv.join(' ')}`, () => {
      const { text, status } = onTerminal(80, argv);
      assert.equal(status, 2);
      assert.match(text, /standard input is a terminal; expected an archive/);
    });
  }
});
