import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Container, ContainerStore } from '../../../src/core/container/container-store.ts';
import { identityOf, isAlive } from '../../../src/core/host/process-identity.ts';
import { collectContainers } from '../../../src/core/operations/collect-containers.ts';
import {
  removeDeadContainers,
  sweepQuietly,
} from '../../../src/core/operations/dead-containers.ts';
import { runtimeRoot } from '../../../src/core/operations/engine.ts';
import { listContainers } from '../../../src/core/operations/list-containers.ts';
import { removeContainers } from '../../../src/core/operations/remove-containers.ts';
import {
  killContainers,
  stopContainers,
  waitForContainers,
} from '../../../src/core/operations/stop-containers.ts';
import { LoopExt4 } from '../../support/loop-ext4.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { SPECIMEN } from '../container/container-fixture.ts';

const NEEDS_ROOT = {
  skip: process.getuid?.() === 0 ? (false as const) : 'control groups need root',
};

/** A control group that looks like a container's; in a hierarchy of version 1, or of version 2. */
function controlGroup(name: string): string {
  const parent = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup'].find((path) => existsSync(path)) ?? '';
  const path = join(parent, `dray-${name}`);
  mkdirSync(path);
  return path;
}

interface Pretended {
  readonly removeOnExit?: boolean;
  readonly pid?: number;
  readonly cgroups?: readonly string[];
}

/** A container that looks as if it ran, supervised by this process. */
function pretend(
  temp: TempEngine,
  { removeOnExit = false, pid, cgroups = [] }: Pretended,
): Container {
  const { dataDir } = temp.engine.settings;
  const container = ContainerStore.create(dataDir, { ...SPECIMEN, removeOnExit });
  container.beginRun({
    isDetached: true,
    hasTerminal: false,
    cgroups,
    runtimeRoot: runtimeRoot(temp.engine),
    stopSignal: 15,
    restartCount: 0,
  });
  writeFileSync(join(container.directory, 'pid'), String(pid ?? 2 ** 22 + 1));
  return container;
}

function rewriteRunState(container: Container, change: (text: string) => string): void {
  const file = join(container.directory, 'run.json');
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

describe('what a dead container has left', NEEDS_ROOT, () => {
  it('ends when neither supervisor nor watch is there: a live orphan', async () => {
    using temp = tempEngine();
    const group = controlGroup('orphan');
    const orphan = spawn('sleep', ['1000']);
    const ended = new Promise((resolve) => orphan.once('exit', (_, signal) => resolve(signal)));
    writeFileSync(join(group, 'cgroup.procs'), String(orphan.pid));
    const container = pretend(temp, { removeOnExit: true, cgroups: [group] });
    container[Symbol.dispose]();
    assert.equal(await removeDeadContainers(temp.engine), 1);
    assert.equal(await ended, 'SIGKILL');
    assert.deepEqual([existsSync(group), existsSync(container.directory)], [false, false]);
    assert.equal(await removeDeadContainers(temp.engine), 0);
  });

  it('is finished once for one that is kept, whose end is then known', async () => {
    using temp = tempEngine();
    const container = pretend(temp, {});
    container[Symbol.dispose]();
    assert.equal(listContainers(temp.engine)[0]?.exitStatus, undefined);
    await removeDeadContainers(temp.engine);
    const { phase, exitStatus } = listContainers(temp.engine)[0] ?? assert.fail();
    assert.deepEqual([phase, exitStatus], ['exited', 137]);
  });

  it('is finished after a reboot, when another process has its numbers', async () => {
    using temp = tempEngine();
    const bystander = spawn('sleep', ['1000']);
    const pid = bystander.pid ?? assert.fail();
    const group = '/sys/fs/cgroup/pids/dray-of-an-earlier-boot';
    const container = pretend(temp, { removeOnExit: true, pid, cgroups: [group] });
    rewriteRunState(container, (text) =>
      text
        .replace(/"bootId":"[^"]*"/, '"bootId":"00000000-0000-0000-0000-000000000000"')
        .replace(/"pid":\d+/, `"pid":${pid}`),
    );
    container[Symbol.dispose]();
    assert.equal(await removeDeadContainers(temp.engine), 1);
    assert.equal(isAlive(identityOf(pid)), true);
    bystander.kill('SIGKILL');
  });

  it('is left alone while its supervisor lives, whatever the clock says', async () => {
    using temp = tempEngine();
    using container = pretend(temp, { removeOnExit: true });
    const { dataDir } = temp.engine.settings;
    execFileSync('touch', [
      '-d',
      '1970-01-01',
      container.directory,
      join(container.directory, 'pid'),
    ]);
    assert.equal(await removeDeadContainers(temp.engine), 0);
    assert.equal(ContainerStore.find(dataDir, container.id).phase, 'running');
  });

  it('hinders no command on a disk that cannot be written', async () => {
    using temp = tempEngine();
    const container = pretend(temp, { removeOnExit: true });
    container[Symbol.dispose]();
    const { dataDir } = temp.engine.settings;
    execFileSync('mount', ['--bind', dataDir, dataDir]);
    try {
      execFileSync('mount', ['-o', 'remount,bind,ro', dataDir]);
      await sweepQuietly(temp.engine, { waits: true });
      assert.equal(listContainers(temp.engine).length, 1);
    } finally {
      execFileSync('umount', [dataDir]);
    }
    assert.equal(await removeDeadContainers(temp.engine), 1);
  });
});

describe('the end of a container', NEEDS_ROOT, () => {
  async function waitedFor(temp: TempEngine, id: string): Promise<(number | undefined)[]> {
    const { done } = await waitForContainers(temp.engine, [id]);
    return done.map(({ result }) => result.exit?.status);
  }

  for (const removeOnExit of [false, true]) {
    it(`whose supervisor is killed is no success for those who wait${removeOnExit ? ', also with --rm' : ''}`, async () => {
      using temp = tempEngine();
      const container = pretend(temp, { removeOnExit });
      const waiting = waitedFor(temp, container.id);
      container[Symbol.dispose]();
      assert.deepEqual(await waiting, [137]);
      // Before anybody has written it down, too.
      assert.deepEqual(await waitedFor(temp, container.id), [137]);
    });
  }

  it('is none for one that waits for its start', async () => {
    using temp = tempEngine();
    const container = ContainerStore.create(temp.engine.settings.dataDir, SPECIMEN);
    container.keepUntilStarted();
    container[Symbol.dispose]();
    assert.deepEqual(await waitedFor(temp, container.id), [undefined]);
  });

  it('is known although the disk was full by then', async () => {
    using disk = LoopExt4.create({ sizeMiB: 16 });
    using temp = tempEngine(disk.mountPoint);
    const container = pretend(temp, {});
    const { dataDir } = temp.engine.settings;
    const fill = join(dataDir, 'fill');
    assert.throws(() => execFileSync('dd', ['if=/dev/zero', `of=${fill}`], { stdio: 'ignore' }));
    const exit = { status: 6, finishedAt: new Date('2026-02-03T04:05:06.789Z') };
    assert.throws(() => container.recordExit(exit), { code: 'HOST_CALL_FAILED' });
    container[Symbol.dispose]();
    assert.deepEqual(ContainerStore.find(dataDir, container.id).exit, exit);
    assert.deepEqual(await waitedFor(temp, container.id), [6]);
    rmSync(fill);
    await removeDeadContainers(temp.engine);
    assert.ok(existsSync(join(container.directory, 'exit.json')));
    assert.deepEqual(ContainerStore.find(dataDir, container.id).exit, exit);
  });
});

describe('kill of a container that waits for its restart', NEEDS_ROOT, () => {
  const rows: readonly (readonly [string, number, boolean])[] = [
    ['SIGKILL', 9, true],
    ['its stop signal', 15, true],
    ['another signal', 1, false],
  ];
  for (const [what, signal, endsIt] of rows) {
    it(`${endsIt ? 'ends' : 'does not end'} that with ${what}`, async () => {
      using temp = tempEngine();
      using container = pretend(temp, {});
      container.awaitRestart(1);
      let asked = 0;
      const onTerm = (): void => {
        asked += 1;
      };
      process.on('SIGTERM', onTerm);
      const { failures } = await killContainers(temp.engine, [container.id], signal);
      await new Promise((resolve) => setImmediate(resolve));
      process.off('SIGTERM', onTerm);
      assert.equal(existsSync(join(container.directory, 'stop')), endsIt);
      assert.equal(asked, endsIt ? 1 : 0);
      assert.match(failures[0]?.error.message ?? '', endsIt ? /^$/ : /is restarting/);
    });
  }
});

describe('a number that another process has by now', NEEDS_ROOT, () => {
  it('is not signalled: neither by stop nor by rm --force', async () => {
    using temp = tempEngine();
    const bystander = spawn('sleep', ['1000']);
    const pid = bystander.pid ?? assert.fail();
    const group = controlGroup('empty');
    const container = pretend(temp, { pid, cgroups: [group] });
    // Its supervisor is this process, which asks itself to end; then the lock is free.
    const onTerm = (): void => container[Symbol.dispose]();
    process.once('SIGTERM', onTerm);
    const { failures } = await stopContainers(temp.engine, [container.id]);
    process.off('SIGTERM', onTerm);
    assert.deepEqual(failures, []);
    assert.equal(isAlive(identityOf(pid)), true);
    const removal = await removeContainers(temp.engine, [container.id], { isForced: true });
    assert.deepEqual(removal.failures, []);
    assert.equal(isAlive(identityOf(pid)), true);
    if (existsSync(group)) rmdirSync(group);
    bystander.kill('SIGKILL');
  });
});

describe('gc', () => {
  const HOUR_MS = 3_600_000;
  const rows: readonly (readonly [string, number, boolean])[] = [
    ['ended long ago', -2 * HOUR_MS, true],
    ['ended just now', 0, false],
    ['ended in the future, before the clock was set back', 48 * HOUR_MS, false],
  ];
  for (const [what, offsetMs, isCollected] of rows) {
    it(`${isCollected ? 'removes' : 'keeps'} what ${what}`, async () => {
      using temp = tempEngine();
      const container = pretend(temp, {});
      container.recordExit({ status: 0, finishedAt: new Date(Date.now() + offsetMs) });
      container[Symbol.dispose]();
      const grace = { gracePeriodMs: HOUR_MS, expirePreparedMs: HOUR_MS };
      assert.deepEqual(
        await collectContainers(temp.engine, grace),
        isCollected ? [container.id] : [],
      );
    });
  }

  it('keeps what waits for its start until that has expired, and never what is held', async () => {
    using temp = tempEngine();
    const { dataDir } = temp.engine.settings;
    using _held = pretend(temp, {});
    const waiting = ContainerStore.create(dataDir, { ...SPECIMEN, removeOnExit: false });
    waiting.keepUntilStarted();
    waiting[Symbol.dispose]();
    const now = { gracePeriodMs: 0, expirePreparedMs: HOUR_MS };
    assert.deepEqual(await collectContainers(temp.engine, now), []);
    const later = { gracePeriodMs: 0, expirePreparedMs: 0 };
    assert.deepEqual(await collectContainers(temp.engine, later), [waiting.id]);
  });
});
