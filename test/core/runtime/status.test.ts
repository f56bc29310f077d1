/** Exit status, signals, stdin, and what happens when a program cannot be run. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { hostPlatform } from '../../../src/core/oci/platform.ts';
import { prepareBundle } from '../../../src/core/runtime/bundle.ts';
import {
  cannotMakeTerminal,
  cannotRunContainers,
  hostFacts,
  makeRootfs,
  runOptions,
  runToEnd,
  ScratchDirectory,
  Supervised,
} from './container-fixture.ts';

const skip = cannotRunContainers;

function file(rootfs: string, name: string, content: string | Buffer, mode = 0o755): void {
  mkdirSync(join(rootfs, 'opt'), { recursive: true });
  writeFileSync(join(rootfs, 'opt', name), content);
  chmodSync(join(rootfs, 'opt', name), mode);
}

function prepare(rootfs: string): void {
  file(rootfs, 'not-executable', '#!/bin/sh\n', 0o644);
  file(rootfs, 'no-hash-bang', 'echo hello\n');
  file(rootfs, 'no-interpreter', '#!/no/such/interpreter\n');
  file(rootfs, 'for-root', '#!/bin/sh\nexit 3\n', 0o700);
  file(
    rootfs,
    'other-machine',
    Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01', 'latin1'), Buffer.alloc(57, 0xff)]),
  );
  symlinkSync('../../../../../../bin/true', join(rootfs, 'opt/true'));
}

describe('a program that cannot be run', { skip }, () => {
  const rows: [name: string, program: string, code: string | undefined, user?: string][] = [
    ['has status 127 when its name is not in PATH', 'no-such-program', 'COMMAND_NOT_FOUND'],
    ['has status 127 when its path is missing', '/no/such', 'COMMAND_NOT_FOUND'],
    ['has status 127 below a file', '/bin/busybox/x', 'COMMAND_NOT_FOUND'],
    ['has status 126 as a directory', '/bin', 'COMMAND_NOT_EXECUTABLE'],
    ['has status 126 without permission', '/opt/not-executable', 'COMMAND_NOT_EXECUTABLE'],
    ['has status 126 as a file of root', '/opt/for-root', 'COMMAND_NOT_EXECUTABLE', '1000'],
    ['can be run by root', '/opt/for-root', undefined],
    ['has status 126 without an interpreter line', '/opt/no-hash-bang', 'COMMAND_NOT_EXECUTABLE'],
    ['has status 126 for another machine', '/opt/other-machine', 'COMMAND_NOT_EXECUTABLE'],
    ['has status 127 without its interpreter', '/opt/no-interpreter', 'COMMAND_NOT_FOUND'],
  ];
  for (const [name, program, code, user] of rows) {
    it(name, async () => {
      using scratch = new ScratchDirectory();
      makeRootfs(join(scratch.path, 'rootfs'));
      prepare(join(scratch.path, 'rootfs'));
      const command = [program];
      const bundle = prepareBundle({
        options: runOptions(user === undefined ? { command } : { command, user }),
        image: { architecture: 'amd64', config: {} },
        containerId: 'a'.repeat(64),
        bundleDir: scratch.path,
        provideVolumes: async () => [],
        host: hostFacts({ architecture: hostPlatform().architecture }),
      });
      const outcome = await bundle.then(
        () => undefined,
        (error) => error.code,
      );
      assert.equal(outcome, code);
    });
  }
});

describe('the status', { skip }, () => {
  const rows: [name: string, command: string[], status: number][] = [
    ["is the program's own", ['sh', '-c', 'exit 7'], 7],
    ['is 255 when the program says so', ['sh', '-c', 'exit 255'], 255],
    ['is 0 for a link that stays inside the root', ['/opt/true'], 0],
    ['is 0 for a path with ".." that stays inside', ['../../bin/true'], 0],
  ];
  for (const [name, command, status] of rows) {
    it(name, async () => {
      const end = await runToEnd({ prepare, options: { command } });
      assert.deepEqual([end.status, end.isStarted, end.stderr], [status, true, '']);
    });
  }
});

describe('signals', { skip }, () => {
  it('are passed on, and the program decides', async () => {
    await using supervised = new Supervised({
      options: {
        command: ['sh', '-c', 'trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done'],
      },
    });
    await ready(supervised);
    supervised.process.kill('SIGTERM');
    assert.equal((await supervised.ended()).status, 9);
  });

  it('kill a program that would ignore them, by kill(): status 137', async () => {
    await using supervised = new Supervised({
      options: { command: ['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.05; done'] },
    });
    await ready(supervised);
    supervised.process.kill('SIGTERM');
    supervised.process.kill('SIGINT');
    assert.equal((await supervised.ended()).status, 137);
  });

  it('give 128+n when a program below an init dies of one', async (t) => {
    const end = await runToEnd({
      options: { init: true, command: ['sh', '-c', 'kill -SEGV $$'] },
    });
    if (end.code === 'HOST_UNSUPPORTED') return t.skip(end.message ?? '');
    assert.equal(end.status, 139);
  });
});

/** Waits for the container's first output. */
async function ready(supervised: Supervised): Promise<void> {
  await new Promise((resolve) => supervised.process.stdout?.once('data', resolve));
}

describe('stdin', { skip }, () => {
  it('is empty unless it was asked for', async () => {
    const request = { stdin: 'pipe' as const, options: { command: ['cat'] } };
    await using supervised = new Supervised(request);
    supervised.process.stdin?.on('error', () => {}).end('not for the container');
    const end = await supervised.ended();
    assert.deepEqual([end.status, end.stdout], [0, '']);
  });

  it('is ours with every byte and its end when it was', async () => {
    const request = { stdin: 'pipe' as const, options: { command: ['cat'], interactive: true } };
    await using supervised = new Supervised(request);
    const bytes = 'x'.repeat(300_000);
    supervised.process.stdin?.end(bytes);
    const end = await supervised.ended();
    assert.equal(end.stdout, bytes);
  });
});

describe('a terminal', { skip: skip || cannotMakeTerminal }, () => {
  it("is the container's own, with the size of ours, and its status comes back", async () => {
    const end = await runToEnd({
      terminal: true,
      stdin: 'pipe',
      options: {
        tty: true,
        interactive: true,
        command: ['sh', '-c', 'test -t 0 && tty && stty size && echo $TERM && exit 7'],
      },
    });
    assert.match(end.stdout, /\/dev\/pts\/0\r\n33 111\r\nxterm\r\n/);
    assert.equal(end.status, 7);
  });
});
