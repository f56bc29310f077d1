/** A container does not outlive its supervisor, whenever and however that is killed. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { cgroupDirectories } from '../../../src/core/runtime/cgroup-path.ts';
import {
  cannotMakeTerminal,
  cannotRunContainers,
  controlGroupsOf,
  isAlive,
  Supervised,
  WATCH_ENDS_MS,
} from './container-fixture.ts';

const skip = cannotRunContainers;
const POLL_MS = 10;
/** How long a container may live on. */
const PROMISE_MS = 1000;
const START_MS = 20_000;

/** A command that no other process on the machine has. */
function uniqueCommand(): string[] {
  return ['/bin/sleep', `${10_000_000 + Math.floor(Math.random() * 1e9)}`];
}

function isRunning(command: readonly string[]): boolean {
  const wanted = `${command.join('\0')}\0`;
  return readdirSync('/proc').some((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'latin1') === wanted;
    } catch {
      return false;
    }
  });
}

function sessionOf(pid: number | string): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[3]);
  } catch {
    return undefined;
  }
}

function processesOfSession(session: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => sessionOf(pid) === session).map(Number);
}

/** Waits until `condition` holds and returns how long that took. */
async function until(condition: () => boolean, limitMs: number, what: string): Promise<number> {
  const start = performance.now();
  while (!condition()) {
    assert.ok(performance.now() - start < limitMs, `not within ${limitMs} ms: ${what}`);
    await delay(POLL_MS);
  }
  return performance.now() - start;
}

async function assertNothingLeft(supervised: Supervised, command: readonly string[]) {
  const { watchPid, runcPid } = supervised.report;
  for (const pid of [watchPid, runcPid]) {
    if (pid !== undefined) await until(() => !isAlive(pid), WATCH_ENDS_MS, `end of ${pid}`);
  }
  assert.equal(isRunning(command), false, 'the process of the container');
  assert.deepEqual(controlGroupsOf(supervised.containerId), []);
  assert.equal(existsSync(join(supervised.runtimeRoot, supervised.containerId)), false);
}

describe('a running container', { skip }, () => {
  for (const [name, target] of [
    ['the supervisor is killed', (pid: number) => pid],
    ['its whole process group is killed', (pid: number) => -pid],
  ] as const) {
    it(`ends within a second when ${name}`, async (t) => {
      const command = uniqueCommand();
      await using supervised = new Supervised({ options: { command }, detached: true });
      await supervised.reported('startedPid');
      await until(() => isRunning(command), START_MS, 'the control: it runs');
      process.kill(target(supervised.process.pid ?? 0), 'SIGKILL');
      const tookMs = await until(() => !isRunning(command), PROMISE_MS, 'the container ended');
      t.diagnostic(`ended after ${tookMs.toFixed(0)} ms`);
      await assertNothingLeft(supervised, command);
    });
  }

  it('ends within a second when the whole session of its terminal is killed', async (t) => {
    if (cannotMakeTerminal) return t.skip(cannotMakeTerminal);
    const command = uniqueCommand();
    await using supervised = new Supervised({
      options: { command, tty: true, interactive: true },
      terminal: true,
      stdin: 'pipe',
    });
    const pid = await supervised.reported('supervisorPid');
    await supervised.reported('startedPid');
    await until(() => isRunning(command), START_MS, 'the control: it runs');
    const session = processesOfSession(sessionOf(pid) ?? 0);
    assert.ok(session.includes(supervised.report.runcPid ?? 0), 'runc shares the terminal');
    for (const member of session) process.kill(member, 'SIGKILL');
    await until(() => !isRunning(command), PROMISE_MS, 'the container ended');
    await assertNothingLeft(supervised, command);
  });

  it('ends within a second when supervisor and runc are killed together', async () => {
    const command = uniqueCommand();
    await using supervised = new Supervised({ options: { command }, isCopied: true });
    await supervised.reported('startedPid');
    await until(() => isRunning(command), START_MS, 'the control: it runs');
    process.kill(supervised.report.runcPid ?? 0, 'SIGKILL');
    supervised.process.kill('SIGKILL');
    await until(() => !isRunning(command), PROMISE_MS, 'the container ended');
    await assertNothingLeft(supervised, command);
  });

  for (const isCopied of [true, false]) {
    const way = isCopied ? 'while it runs' : 'while it starts';
    it(`ends when only runc is killed and the supervisor lives on (${way})`, async () => {
      const command = uniqueCommand();
      await using supervised = new Supervised({ options: { command }, isCopied });
      const runcPid = await supervised.reported('runcPid');
      if (isCopied) {
        await supervised.reported('startedPid');
        await until(() => isRunning(command), START_MS, 'the control: it runs');
      }
      process.kill(runcPid, 'SIGKILL');
      assert.equal((await supervised.ended()).status, 137);
      await assertNothingLeft(supervised, command);
    });
  }

  it('goes on while the supervisor is stopped, and the watch ends with the container', async () => {
    await using supervised = new Supervised({
      options: { command: ['/bin/cat'], interactive: true },
      stdin: 'pipe',
    });
    await supervised.reported('startedPid');
    supervised.process.kill('SIGSTOP');
    assert.ok(isAlive(supervised.report.watchPid ?? 0));
    supervised.process.kill('SIGCONT');
    supervised.process.stdin?.end();
    assert.equal((await supervised.ended()).status, 0);
    await until(() => !isAlive(supervised.report.watchPid ?? 0), PROMISE_MS, 'the watch ended');
  });
});

describe('a container that is being started', { skip }, () => {
  for (const delayMs of [0, 10, 30, 80]) {
    it(`never outlives a supervisor that is killed ${delayMs} ms after runc was`, async () => {
      const command = uniqueCommand();
      await using supervised = new Supervised({ options: { command } });
      await supervised.reported('runcPid');
      await delay(delayMs);
      supervised.process.kill('SIGKILL');
      const killedAt = performance.now();
      let lastSeen = killedAt;
      const runcPid = supervised.report.runcPid ?? 0;
      while (isAlive(runcPid)) {
        if (isRunning(command)) lastSeen = performance.now();
        await delay(POLL_MS);
      }
      assert.ok(lastSeen - killedAt < PROMISE_MS, `it was seen ${lastSeen - killedAt} ms later`);
      await assertNothingLeft(supervised, command);
    });
  }

  it('leaves nothing when runc is killed too, half way', async () => {
    for (const delayMs of [10, 40]) {
      const command = uniqueCommand();
      await using supervised = new Supervised({ options: { command } });
      await supervised.reported('runcPid');
      await delay(delayMs);
      process.kill(supervised.report.runcPid ?? 0, 'SIGKILL');
      supervised.process.kill('SIGKILL');
      await assertNothingLeft(supervised, command);
    }
  });
});

describe('the watch', { skip }, () => {
  it('holds none of our descriptors and lives in a session of its own', async () => {
    await using supervised = new Supervised({
      options: { command: ['/bin/cat'], interactive: true },
      stdin: 'pipe',
    });
    const pid = await supervised.reported('watchPid');
    await supervised.reported('startedPid');
    const descriptors = readdirSync(`/proc/${pid}/fd`);
    const session = sessionOf(pid);
    supervised.process.stdin?.end();
    await supervised.ended();
    assert.deepEqual(descriptors, ['0', '1', '2']);
    assert.equal(session, pid);
  });
});

describe('cgroupDirectories', () => {
  const own = '4:memory:/group/a\n2:cpu,cpuacct:/\n1:name=systemd:/x\n0::/\n';
  it('lies below our own group for a relative path', () => {
    assert.deepEqual(cgroupDirectories('c', own), [
      '/sys/fs/cgroup/memory/group/a/c',
      '/sys/fs/cgroup/cpu,cpuacct/c',
      '/sys/fs/cgroup/systemd/x/c',
      '/sys/fs/cgroup/c',
      '/sys/fs/cgroup/unified/c',
    ]);
  });
  it('starts at the root of v2 for an absolute path', () => {
    assert.deepEqual(cgroupDirectories('/c', '0::/user.slice/x\n')[0], '/sys/fs/cgroup/c');
  });
});
