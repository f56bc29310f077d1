import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { NEEDS_ROOT } from '../support/e2e.ts';
import { LiveHome } from '../support/live-containers.ts';

/** The promise of docs/decisions/0002; a machine under heavy load gets as much again. */
const PROMISE_MS = 2000;

/** A zombie has ended: whoever inherited it may take its time to look. */
function hasEnded(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

async function untilEnded(pid: number): Promise<void> {
  const deadline = performance.now() + PROMISE_MS;
  while (!hasEnded(pid)) {
    assert.ok(performance.now() < deadline, 'the container outlives its supervisor');
    await delay(5);
  }
}

/** Processes whose arguments hold `text`. */
function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}

function sessionOf(pid: number): number[] {
  return execFileSync('ps', ['-o', 'pid=', '-s', String(pid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(Number);
}

describe('a detached container whose supervisor gets SIGKILL', NEEDS_ROOT, () => {
  const targets: readonly (readonly [string, (pid: number) => readonly number[]])[] = [
    ['alone', (pid) => [pid]],
    ['with its process group', (pid) => [-pid]],
    ['with its whole session', sessionOf],
  ];
  for (const [how, victims] of targets) {
    it(`${how}, is gone within a second, and the next command leaves nothing`, async () => {
      await using home = new LiveHome();
      const image = await home.fetchBusybox();
      const command = ['run', '-d', '--rm', image, 'sleep', '1000'];
      const id = (await home.succeed(command)).trim();
      const pid = Number(readFileSync(join(home.containerDir(id), 'pid'), 'utf8'));
      assert.equal(hasEnded(pid), false, 'the control: it runs');
      const supervisor = home.runState(id)?.supervisor.pid ?? assert.fail();
      for (const victim of victims(supervisor)) process.kill(victim, 'SIGKILL');
      await untilEnded(pid);
      await home.succeed(['list']);
      assert.equal(existsSync(home.containerDir(id)), false, 'its files');
      assert.deepEqual(await home.leftovers(0), []);
    });
  }

  it('together with its watch, is ended by the next command', async () => {
    await using home = new LiveHome();
    const image = await home.fetchBusybox();
    const start = ['run', '-d', '--name', 'kept', image, 'sleep', '1000'];
    const id = (await home.succeed(start)).trim();
    const pid = Number(readFileSync(join(home.containerDir(id), 'pid'), 'utf8'));
    const supervisor = home.runState(id)?.supervisor.pid ?? assert.fail();
    const watches = processesWith(id).filter((each) => each !== supervisor);
    assert.equal(watches.length, 1, 'the control: there is a watch');
    for (const victim of [...watches, supervisor]) process.kill(victim, 'SIGKILL');
    const status = await home.succeed(['status', 'kept']);
    assert.match(status, /^state=exited$/m);
    assert.match(status, /^exit-status=137$/m);
    assert.match(status, /^error=the dray that supervised it was killed$/m);
    assert.equal(hasEnded(pid), true);
    assert.deepEqual(await home.leftovers(0), []);
    assert.equal(await home.succeed(['start', 'kept']), 'kept\n');
    assert.match(await home.succeed(['status', 'kept']), /^state=running$/m);
  });
});

describe('a container in the foreground whose dray gets SIGKILL', NEEDS_ROOT, () => {
  for (const [how, sign] of [
    ['alone', 1],
    ['with its process group', -1],
  ] as const) {
    it(`${how}, is gone within a second, and the next command leaves nothing`, async () => {
      await using home = new LiveHome();
      const image = await home.fetchBusybox();
      const command = ['run', '--rm', image, 'sh', '-c', 'echo runs; sleep 1000'];
      const running = home.start(command, { ownGroup: true });
      const deadline = performance.now() + 60_000;
      while (running.output() === '' && performance.now() < deadline) await delay(5);
      const [id = ''] = home.containerIds();
      const pid = Number(readFileSync(join(home.containerDir(id), 'pid'), 'utf8'));
      assert.equal(hasEnded(pid), false, 'the control: it runs');
      process.kill(sign * (running.child.pid ?? assert.fail()), 'SIGKILL');
      await untilEnded(pid);
      await home.succeed(['image', 'list']);
      assert.deepEqual(home.containerIds(), [], 'its files');
      assert.deepEqual(await home.leftovers(0), []);
    });
  }
});
