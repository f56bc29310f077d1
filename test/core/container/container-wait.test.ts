import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ContainerStore } from '../../../src/core/container/container-store.ts';
import { waitUntilFree } from '../../../src/core/container/container-wait.ts';
import { pretendStarted, TempDataDir } from './container-fixture.ts';

const FINISHED = new Date('2026-02-03T04:05:06.789Z');

describe('waitUntilFree', () => {
  it('tells the end of a container that is removed at once', async () => {
    using temp = new TempDataDir();
    const container = temp.make({ removeOnExit: true });
    pretendStarted(container);
    const waiting = waitUntilFree(temp.path, container.id);
    container.recordExit({ status: 7, finishedAt: FINISHED });
    container.remove();
    container[Symbol.dispose]();
    assert.deepEqual(await waiting, { isOver: true, exit: { status: 7, finishedAt: FINISHED } });
  });

  it('gives up when the time is up, and leaves the lock alone', async () => {
    using temp = new TempDataDir();
    using container = temp.make();
    const { isOver } = await waitUntilFree(temp.path, container.id, { timeoutMs: 5 });
    assert.equal(isOver, false);
    assert.equal(ContainerStore.claim(temp.path, container.id), undefined);
  });

  it('tells no end of one whose supervisor was killed, nor of an earlier run', async () => {
    using temp = new TempDataDir();
    const container = temp.make();
    container.recordExit({ status: 1, finishedAt: FINISHED });
    container.forgetLastRun();
    pretendStarted(container);
    container[Symbol.dispose]();
    assert.deepEqual(await waitUntilFree(temp.path, container.id), {
      isOver: true,
      exit: undefined,
    });
  });

  it('does not take half an end for one', async () => {
    using temp = new TempDataDir();
    const container = temp.make({ removeOnExit: true });
    container.recordExit({ status: 1, finishedAt: FINISHED });
    const lock = join(container.directory, 'lock');
    writeFileSync(lock, readFileSync(lock).subarray(0, 20));
    container[Symbol.dispose]();
    const { exit } = await waitUntilFree(temp.path, container.id);
    assert.equal(exit, undefined);
  });

  it('ends with the reason of its signal', async () => {
    using temp = new TempDataDir();
    using container = temp.make();
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(waitUntilFree(temp.path, container.id, { signal }), reason);
  });
});
