import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { NEEDS_ROOT } from '../support/e2e.ts';
import { LiveHome } from '../support/live-containers.ts';

const ID = /^[0-9a-f]{64}\n$/;

/** Resolves when a process has opened a file: whoever waits for a container looks at its lock. */
async function untilOpen(pid: number | undefined, path: string): Promise<void> {
  const fds = `/proc/${pid}/fd`;
  const isOpen = (fd: string): boolean => {
    try {
      return readlinkSync(join(fds, fd)) === path;
    } catch {
      return false;
    }
  };
  const deadline = performance.now() + 60_000;
  while (!readdirSync(fds).some(isOpen)) {
    assert.ok(performance.now() < deadline, `${pid} never opened ${path}`);
    await delay(5);
  }
}

describe('a detached container', NEEDS_ROOT, () => {
  let home: LiveHome;
  let image: string;

  before(async () => {
    home = new LiveHome();
    image = await home.fetchBusybox();
  });
  after(() => home[Symbol.asyncDispose]());

  const sh = (script: string): string[] => [image, 'sh', '-c', script];
  const state = async (id: string): Promise<string | undefined> =>
    /^state=(.*)$/m.exec(await home.succeed(['status', id]))?.[1];

  it('prints its id when it runs, and goes through its life by name', async () => {
    const files = [join(home.directory, 'cid'), join(home.directory, 'uuid')];
    const flags = [
      '--name',
      'web',
      '--cidfile',
      files[0] ?? '',
      '--uuid-file-save',
      files[1] ?? '',
    ];
    const output = await home.succeed([
      ...['run', '-d', ...flags],
      ...sh('trap "exit 5" TERM; echo out; echo err >&2; printf part; while :; do sleep 0.1; done'),
    ]);
    assert.match(output, ID);
    const id = output.trim();
    assert.deepEqual(
      files.map((file) => readFileSync(file, 'utf8')),
      [id, id],
    );
    assert.equal(await state('web'), 'running');
    assert.match(await home.succeed(['status', '--uuid-file', files[1] ?? '']), new RegExp(id));
    assert.equal(await home.succeed(['pause', 'web']), 'web\n');
    assert.equal(await state('web'), 'paused');
    assert.equal(await home.succeed(['unpause', 'web']), 'web\n');
    await home.succeed(['rename', 'web', 'shop']);
    const waiting = home.start(['wait', id.slice(0, 12)]);
    const follower = home.start(['logs', '--follow', 'shop']);
    assert.equal((await home.run(['rm', 'shop'])).status, 1);
    assert.equal(await home.succeed(['stop', 'shop']), 'shop\n');
    assert.equal((await waiting.exited).stdout, '5\n');
    const logs = await follower.exited;
    assert.deepEqual([logs.stdout, logs.stderr], ['out\npart', 'err\n']);
    assert.match(await home.succeed(['status', 'shop']), /^exit-status=5$/m);
    assert.equal(await home.succeed(['start', 'shop']), 'shop\n');
    assert.equal(await state('shop'), 'running');
    assert.equal(await home.succeed(['restart', 'shop']), 'shop\n');
    assert.equal(await home.succeed(['kill', '-s', 'KILL', 'shop']), 'shop\n');
    assert.equal(await home.succeed(['wait', 'shop']), '137\n');
    assert.equal(await home.succeed(['logs', '--tail', '1', 'shop']), 'part');
    assert.equal(await home.succeed(['rm', 'shop']), 'shop\n');
    assert.equal(existsSync(home.containerDir(id)), false);
  });

  const failures: readonly (readonly [string, readonly string[], number])[] = [
    ['a program that is not there', ['nothing'], 127],
    ['a file that is no program', ['/etc/passwd'], 126],
    ['a working directory that is a file', ['-w', '/etc/passwd'], 125],
  ];
  for (const [what, words, status] of failures) {
    it(`reports ${what} with status ${status}, and leaves nothing`, async () => {
      const flags = words[0] === '-w' ? words : [];
      const command = words[0] === '-w' ? ['true'] : words;
      const result = await home.run(['run', '-d', ...flags, image, ...command]);
      assert.deepEqual([result.status, result.stdout], [status, '']);
      assert.match(result.stderr, /^dray: /);
      assert.deepEqual(home.containerIds(), []);
    });
  }

  it('that was created waits, is started on our own descriptors, and tells its status', async () => {
    const id = (await home.succeed(['create', '--name', 'later', ...sh('cat; exit 3')])).trim();
    assert.equal(await state('later'), 'created');
    const attached = await home.run(['start', '-ai', 'later'], { stdin: 'through' });
    assert.deepEqual([attached.status, attached.stdout], [3, 'through']);
    assert.equal(await home.succeed(['wait', id]), '3\n');
    assert.equal((await home.run(['logs', id])).status, 1);
    await home.succeed(['rm', id]);
    const prepared = (await home.succeed(['prepare', ...sh('echo ready; exit 4')])).trim();
    const run = await home.run(['run-prepared', prepared]);
    assert.deepEqual([run.status, run.stdout], [4, 'ready\n']);
    assert.equal(
      await home.succeed(['gc', '--grace-period', '0s']),
      `Garbage collecting container "${prepared}"\n`,
    );
  });

  it('goes by itself with --rm, and whoever waits hears how it ended', async () => {
    const flag = join(home.directory, 'go');
    const id = (
      await home.succeed([
        ...['run', '-d', '--rm', '-v', `${home.directory}:/home`],
        ...sh('until [ -e /home/go ]; do sleep 0.05; done; exit 9'),
      ])
    ).trim();
    const waiting = home.start(['wait', id]);
    await untilOpen(waiting.child.pid, join(home.containerDir(id), 'lock'));
    writeFileSync(flag, '');
    assert.equal((await waiting.exited).stdout, '9\n');
    assert.deepEqual(home.containerIds(), []);
  });

  it('is started again as its policy says, and no more when it is stopped', async () => {
    await home.succeed([
      'run',
      '-d',
      '--name',
      'twice',
      '--restart',
      'on-failure:2',
      ...sh('echo x; exit 1'),
    ]);
    assert.equal(await home.succeed(['wait', 'twice']), '1\n');
    assert.equal(await home.succeed(['logs', 'twice']), 'x\nx\nx\n');
    assert.match(await home.succeed(['status', 'twice']), /^restarts=2$/m);
    await home.succeed(['run', '-d', '--name', 'ever', '--restart', 'always', ...sh('sleep 0.05')]);
    await home.succeed(['stop', 'ever']);
    assert.equal(await state('ever'), 'exited');
    await home.succeed(['rm', 'twice', 'ever']);
  });

  it('replaces the one that has its name', async () => {
    const first = (
      await home.succeed(['run', '-d', '--name', 'only', image, 'sleep', '1000'])
    ).trim();
    const refused = await home.run(['run', '-d', '--name', 'only', image, 'sleep', '1000']);
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, new RegExp(first.slice(0, 12)));
    const second = (
      await home.succeed(['run', '-d', '--replace', '--name', 'only', image, 'sleep', '1000'])
    ).trim();
    assert.deepEqual(home.containerIds(), [second]);
    assert.equal(await home.succeed(['rm', '-f', 'only']), 'only\n');
  });

  it('has a supervisor of less than 45 MB', async (t) => {
    const id = (await home.succeed(['run', '-d', image, 'sleep', '1000'])).trim();
    const file = `/proc/${home.runState(id)?.supervisor.pid}/status`;
    const residentKib = (): number =>
      Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(file, 'utf8'))?.[1]);
    // It gives back what only starting needed a moment after the start.
    const deadline = performance.now() + 30_000;
    while (residentKib() >= 45_000 && performance.now() < deadline) await delay(50);
    t.diagnostic(`${residentKib()} KiB resident`);
    assert.ok(residentKib() < 45_000, `${residentKib()} KiB`);
    await home.succeed(['rm', '-f', id]);
  });

  it('can have a terminal', async () => {
    const id = (await home.succeed(['run', '-dt', ...sh('test -t 0 && tty; echo end')])).trim();
    assert.equal(await home.succeed(['wait', id]), '0\n');
    assert.equal(await home.succeed(['logs', id]), '/dev/pts/0\r\nend\r\n');
    await home.succeed(['rm', id]);
  });

  it('shows its health, and is waited for until it is ready', async () => {
    const flags = ['--health-cmd', 'test -e /ok', '--health-interval', '50ms'];
    const id = (
      await home.succeed(['run', '-d', ...flags, ...sh('sleep 0.3; touch /ok; sleep 1000')])
    ).trim();
    assert.match(await home.succeed(['status', '--wait-ready', id]), /^health=healthy$/m);
    await home.succeed(['rm', '-f', id]);
  });

  it('writes 64 MiB that arrive whole, followed and later', async () => {
    const bytes = Buffer.alloc(
      4 * 1024 * 1024,
      'a line of no great length, and then another one\n',
    );
    for (let at = 0; at < bytes.length; at += 997) bytes[at] = at % 256;
    writeFileSync(join(home.directory, 'bytes'), bytes);
    const hash = createHash('sha256');
    for (let count = 0; count < 16; count += 1) hash.update(bytes);
    const expected = hash.digest('hex');
    const copies = Array.from({ length: 16 }, () => '/home/bytes').join(' ');
    const mount = ['-v', `${home.directory}:/home:ro`];
    const id = (await home.succeed(['run', '-d', ...mount, ...sh(`cat ${copies}`)])).trim();
    const hashOf = async (argv: readonly string[]): Promise<string> =>
      createHash('sha256')
        .update((await home.run(argv)).stdoutBytes)
        .digest('hex');
    assert.equal(await hashOf(['logs', '-f', id]), expected);
    assert.equal(await hashOf(['logs', id]), expected);
    await home.succeed(['rm', id]);
  });
});
