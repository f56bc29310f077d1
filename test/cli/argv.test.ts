import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalArguments, type FlagShapes } from '../../src/cli/argv.ts';

const FLAGS: FlagShapes = {
  rm: { type: 'boolean' },
  interactive: { type: 'boolean', char: 'i' },
  tty: { type: 'boolean', char: 't' },
  env: { type: 'option', char: 'e', multiple: true },
  name: { type: 'option' },
  workdir: { type: 'option', char: 'w' },
  network: { type: 'option', aliases: ['net'] },
  pause: { type: 'boolean', char: 'p', allowNo: true },
};

const HOST_NAME: FlagShapes = { ...FLAGS, hostname: { type: 'option', char: 'h' } };

const run = (tokens: readonly string[], flags = FLAGS) =>
  canonicalArguments(tokens, flags, { stopsAtPositional: true });

const ROWS: readonly { name: string; tokens: string[]; argv: string[] }[] = [
  { name: 'nothing', tokens: [], argv: ['--'] },
  {
    name: 'a flag that is on by itself can be turned off',
    tokens: ['--pause=false', '--rm=false', 'alpine'],
    argv: ['--no-pause', '--', 'alpine'],
  },
  { name: 'and on again', tokens: ['--pause=false', '-p', 'x'], argv: ['--pause', '--', 'x'] },
  {
    name: 'flags behind the image belong to the container',
    tokens: ['--rm', 'alpine', 'ls', '-la', '--help', '--rm'],
    argv: ['--rm', '--', 'alpine', 'ls', '-la', '--help', '--rm'],
  },
  {
    name: 'repeated words and a -- of the container stay where they are',
    tokens: ['alpine', 'echo', 'a', 'b', 'a', 'b', '--help', '--', '-la'],
    argv: ['--', 'alpine', 'echo', 'a', 'b', 'a', 'b', '--help', '--', '-la'],
  },
  {
    name: 'a -- before the image is taken off',
    tokens: ['--rm', '--', 'alpine', '--', 'x'],
    argv: ['--rm', '--', 'alpine', '--', 'x'],
  },
  {
    name: 'a flag that takes a value keeps the image out of it',
    tokens: ['-e', 'A=1', 'alpine', 'env'],
    argv: ['--env', 'A=1', '--', 'alpine', 'env'],
  },
  {
    name: 'every way to write a value',
    tokens: ['-eA=1', '-e=B=2', '--env=C=3=4', '--env', 'D=', 'alpine'],
    argv: [...['A=1', 'B=2', 'C=3=4', 'D='].flatMap((pair) => ['--env', pair]), '--', 'alpine'],
  },
  {
    name: 'a cluster, the last of which takes a value',
    tokens: ['-itw', '/srv', 'alpine'],
    argv: ['--interactive', '--tty', '--workdir', '/srv', '--', 'alpine'],
  },
  {
    name: 'a cluster with the value in it',
    tokens: ['-itw/srv', 'alpine'],
    argv: ['--interactive', '--tty', '--workdir', '/srv', '--', 'alpine'],
  },
  {
    name: 'the last of two values for a flag that takes one',
    tokens: ['--name', 'a', '--name=b', 'alpine'],
    argv: ['--name', 'b', '--', 'alpine'],
  },
  {
    name: 'booleans with a value',
    tokens: ['--rm=true', '-i=false', '--tty', '--tty=0', 'alpine'],
    argv: ['--rm', '--', 'alpine'],
  },
  {
    name: 'an alias of a flag',
    tokens: ['--net', 'host', 'alpine'],
    argv: ['--network', 'host', '--', 'alpine'],
  },
  {
    name: 'a lone dash is an argument',
    tokens: ['--rm', '-', '--name'],
    argv: ['--rm', '--', '-', '--name'],
  },
  {
    name: 'an empty image is an argument',
    tokens: ['', '--rm'],
    argv: ['--', '', '--rm'],
  },
];

describe('canonicalArguments', () => {
  for (const { name, tokens, argv } of ROWS) {
    it(name, () => {
      assert.deepEqual(run(tokens), { argv, isHelpAsked: false });
    });
  }

  it('lets flags stand behind arguments for other commands', () => {
    const { argv } = canonicalArguments(['a', '--rm', 'b', '--', '--name'], FLAGS, {
      stopsAtPositional: false,
    });
    assert.deepEqual(argv, ['--rm', '--', 'a', 'b', '--name']);
  });

  it('sees --help and -h before the image only', () => {
    assert.equal(run(['--help']).isHelpAsked, true);
    assert.equal(run(['-h', 'alpine']).isHelpAsked, true);
    assert.equal(run(['-ih', 'alpine']).isHelpAsked, true);
    assert.equal(run(['alpine', '--help', '-h']).isHelpAsked, false);
  });

  it('leaves -h to a flag that has it', () => {
    const { argv, isHelpAsked } = run(['-h', 'web', 'alpine'], HOST_NAME);
    assert.deepEqual(
      { argv, isHelpAsked },
      {
        argv: ['--hostname', 'web', '--', 'alpine'],
        isHelpAsked: false,
      },
    );
  });

  const REFUSED: readonly { name: string; tokens: string[]; message: RegExp }[] = [
    { name: 'an unknown flag', tokens: ['--foo'], message: /^unknown flag "--foo"$/ },
    { name: 'an unknown letter', tokens: ['-iz'], message: /^unknown flag "-z"$/ },
    { name: 'a prototype key', tokens: ['--constructor'], message: /unknown flag/ },
    { name: 'a value that is missing', tokens: ['--name'], message: /--name needs a value/ },
    { name: 'a letter whose value is missing', tokens: ['-e'], message: /--env needs a value/ },
    { name: 'a boolean that is none', tokens: ['--rm=maybe'], message: /not "maybe"$/ },
    {
      name: 'control characters',
      tokens: ['--\u001b[2J'],
      message: /^unknown flag "--\\x1b\[2J"$/,
    },
  ];
  for (const { name, tokens, message } of REFUSED) {
    it(`refuses ${name}`, () => {
      assert.throws(() => run([...tokens, 'alpine'].slice(0, tokens.length)), {
        code: 'USAGE_INVALID',
        message,
      });
    });
  }

  it('names the flag that was probably meant', () => {
    assert.throws(() => run(['--nmae', 'x']), { hint: 'Did you mean "--name"?' });
  });

  it('hands on what follows the image as it is, whatever it is', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (rest) => {
        const { argv } = run(['--rm', '-e', 'A=1', 'image', ...rest]);
        assert.deepEqual(argv, ['--rm', '--env', 'A=1', '--', 'image', ...rest]);
      }),
    );
  });
});
