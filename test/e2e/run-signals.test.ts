import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { busyboxImage } from '../support/busybox-image.ts';
import { NEEDS_ROOT } from '../support/e2e.ts';
import { writeLayout } from '../support/layout-writer.ts';
import { CliHome, type CliOptions, type RunningCli } from '../support/run-cli.ts';

const IMAGE = 'localhost/busybox';

/** A second, as the promise for the end of an orphaned container says, plus the machine's share. */
const ORPHAN_PATIENCE_MS = 3_000;

describe('dray run and signals', NEEDS_ROOT, () => {
  let home: CliHome;

  before(async () => {
    home = new CliHome();
    const layoutDir = writeLayout(join(home.directory, 'busybox'), [{ image: busyboxImage() }]);
    await home.succeed(['fetch', '--quiet', `oci:${layoutDir}`]);
  });
  after(() => home[Symbol.asyncDispose]());

  /** Starts a shell command in a container and waits until it says that it is ready. */
  async function started(
    command: string,
    flags: readonly string[] = [],
    options: CliOptions = {},
  ): Promise<RunningCli> {
    const running = home.start(['run', '--rm', ...flags, IMAGE, 'sh', '-c', command], options);
    await Promise.race([
      until(() => running.output().includes('ready')),
      running.exited.then(({ stderr }) => assert.fail(`it ended before it was ready: ${stderr}`)),
    ]);
    return running;
  }

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGQUIT', 'SIGWINCH'] as const) {
    it(`forwards ${signal}`, async () => {
      const name = signal.slice('SIG'.length);
      const running = await started(
        `trap 'echo got ${name}; exit 7' ${name}; echo ready; while :; do sleep 0.05; done`,
      );
      running.kill(signal);
      const result = await running.exited;
      assert.equal(result.stdout, `ready\ngot ${name}\n`);
      assert.equal(result.status, 7);
    });
  }

  it('ends a container that ignores the first signal, at the third', async () => {
    const running = await started("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    for (let count = 0; count < 3; count += 1) {
      running.kill('SIGTERM');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const result = await running.exited;
    assert.equal(result.status, 137, result.stderr);
    assert.deepEqual(await home.leftovers(), []);
  });

  it('reports 128+n for a container that a signal ended', async () => {
    const running = await started('echo ready; exec sleep 100', ['--init']);
    running.kill('SIGTERM');
    assert.equal((await running.exited).status, 143);
  });

  it('is ended by a signal before the container starts', async () => {
    const running = home.start(['run', '--rm', IMAGE, 'sleep', '100']);
    running.kill('SIGTERM');
    const result = await running.exited;
    assert.ok(
      result.status === 143 || result.signal === 'SIGTERM',
      `${result.status} ${result.stderr}`,
    );
    assert.deepEqual(await home.leftovers(), []);
  });

  it('does not leave a container behind when it is killed itself', async () => {
    const running = await started('echo ready; while :; do sleep 0.05; done');
    running.kill('SIGKILL');
    await running.exited;
    assert.deepEqual(await home.leftovers(ORPHAN_PATIENCE_MS), []);
    await home.succeed(['image', 'gc']);
    assert.deepEqual(containersOf(home), []);
  });

  it('does not leave a container behind when its whole process group is killed', async () => {
    const command = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    const running = await started(command, ['--init'], { ownGroup: true });
    process.kill(-(running.child.pid ?? 0), 'SIGKILL');
    await running.exited;
    assert.deepEqual(await home.leftovers(ORPHAN_PATIENCE_MS), []);
  });
});

function containersOf(home: CliHome): string[] {
  return readdirSync(join(home.dataDir, 'containers')).filter((name) =>
    /^[0-9a-f]{64}$/.test(name),
  );
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
